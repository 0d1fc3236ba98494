"""What this machine lacks is said, with the way out."""

import subprocess
from pathlib import Path

import pytest

from tools.sealed import docker, machine


def test_a_user_without_root_and_docker_is_offered_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "is_root", lambda: False)
    monkeypatch.setattr(machine, "system_path", lambda _: None)

    with pytest.raises(machine.MissingOnMachine) as refused:
        machine.install_packages(["dockerd", "mmdebstrap"])

    assert str(refused.value) == (
        "Docker is not running and docker.io mmdebstrap cannot be installed without root and "
        "apt-get\nhint: start Docker and run `make up` again, or run the same service without "
        "containers: stackyard serve"
    )


def test_what_is_there_already_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "system_path", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("nothing to install"))

    machine.install_packages(["dockerd", "mmdebstrap"])


def test_an_apt_that_is_busy_is_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    apt = tmp_path / "apt-get"
    apt.write_text(
        "#!/bin/sh\n"
        f'echo "$1" >> {tmp_path}/called\n'
        f"test $(wc -l < {tmp_path}/called) -gt 2 && exit 0\n"
        'echo "E: Could not get lock /var/lib/apt/lists/lock." >&2; exit 100\n'
    )
    apt.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(machine, "is_root", lambda: True)
    monkeypatch.setattr(machine, "system_path", {"apt-get": str(apt)}.get)
    monkeypatch.setattr(machine, "LOCK_PAUSE_SECONDS", 0.0)

    machine.install_packages(["dockerd"])

    assert (tmp_path / "called").read_text().split() == ["update", "update", "update", "install"]


def test_each_home_has_a_namespace_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    names = set()
    for home in ("one", "two"):
        monkeypatch.setenv("STACKYARD_HOME", str(tmp_path / home))
        names.add(docker.namespace_name())
    monkeypatch.delenv("STACKYARD_HOME")

    assert len(names) == 2
    assert docker.namespace_name() == "stackyard"


def test_a_pid_file_of_another_process_is_not_ours_to_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("STACKYARD_HOME", str(tmp_path))
    (tmp_path / "run").mkdir()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/docker").write_text("#!/bin/sh\nexit 1\n")
    with subprocess.Popen(["sleep", "30"]) as stranger:
        (tmp_path / "run/dockerd.pid").write_text(str(stranger.pid))

        docker.stop()

        assert stranger.poll() is None
        stranger.terminate()
    assert not (tmp_path / "run/dockerd.pid").exists()
