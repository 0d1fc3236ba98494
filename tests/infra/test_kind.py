"""The kind cluster as a resource, against a Docker and a kind that only keep books."""

import json
import os
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest

from infra.clusters.kind import KindClusterProvider
from infra.clusters.kind_config import kind_config
from infra.clusters.ports import Ports, ports_of
from infra.command import CommandFailed, Trouble

NAME = "stackyard-t"
NODE = f"{NAME}-control-plane"


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put the fakes first on PATH; return the folder of their state."""
    folder, state = tmp_path / "bin", tmp_path / "state"
    folder.mkdir()
    state.mkdir()
    for name in ("docker", "kind"):
        shutil.copy(Path(__file__).with_name("fake_docker.py"), folder / name)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_DOCKER", str(state))
    return state


@pytest.fixture
def props(tmp_path: Path) -> dict[str, Any]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        api = probe.getsockname()[1]
    return {
        "name": NAME,
        "nodeImage": "kindest/node:v1",
        "urlPort": port,
        "apiPort": api,
        "registryPort": 40002,
        "registryName": f"{NAME}-registry",
        "volumes": str(tmp_path / "volumes"),
        "certs": str(tmp_path / "certs.d"),
        "cniDirectory": None,
        "cgroupV1": False,
    }


def calls(docker: Path) -> list[str]:
    return (docker / "calls").read_text().splitlines()


def containers(docker: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads((docker / "containers.json").read_text())
    return found


def test_a_new_cluster_is_made_marked_and_its_kubeconfig_returned(
    docker: Path, props: dict[str, Any]
) -> None:
    result = KindClusterProvider().create(props)

    assert result.id == NAME
    assert result.outs == {**props, "kubeconfig": f"kubeconfig of {NAME}\n"}
    assert containers(docker)[NODE]["mark"]
    hosts = Path(props["certs"], "localhost:40002", "hosts.toml").read_text()
    assert hosts.startswith(f'[host."http://{NAME}-registry:5000"]\n')


def test_a_whole_cluster_is_adopted_and_started(docker: Path, props: dict[str, Any]) -> None:
    KindClusterProvider().create(props)
    stopped = containers(docker)
    stopped[NODE]["state"] = "exited"
    (docker / "containers.json").write_text(json.dumps(stopped))
    (docker / "calls").unlink()

    result = KindClusterProvider().create(props)

    assert result.outs is not None
    assert result.outs["kubeconfig"] == f"kubeconfig of {NAME}\n"
    assert containers(docker)[NODE]["state"] == "running"
    assert "kind create cluster" not in calls(docker)


def test_a_cluster_that_was_cut_off_is_made_anew(docker: Path, props: dict[str, Any]) -> None:
    KindClusterProvider().create(props)
    cut = containers(docker)
    del cut[NODE]["mark"]
    (docker / "containers.json").write_text(json.dumps(cut))
    (docker / "calls").unlink()

    KindClusterProvider().create(props)

    assert "kind delete cluster" in calls(docker)
    assert "kind create cluster" in calls(docker)
    assert containers(docker)[NODE]["mark"]


def test_somebody_elses_cluster_of_that_name_is_left_alone(
    docker: Path, props: dict[str, Any]
) -> None:
    theirs = {NODE: {"cluster": NAME, "state": "running", "mounts": []}}
    (docker / "containers.json").write_text(json.dumps(theirs))

    with pytest.raises(Trouble) as caught:
        KindClusterProvider().create(props)

    assert str(caught.value) == (
        f"a kind cluster named {NAME} is there and was not made by this program\n"
        f"hint: rename the stack, or: kind delete cluster --name {NAME}"
    )
    assert containers(docker) == theirs


def test_a_finished_cluster_with_other_settings_is_left_alone(
    docker: Path, props: dict[str, Any]
) -> None:
    KindClusterProvider().create(props)

    with pytest.raises(Trouble, match="made with other settings"):
        KindClusterProvider().create({**props, "apiPort": props["apiPort"] + 1})

    assert NODE in containers(docker)


def test_a_taken_port_names_the_setting(docker: Path, props: dict[str, Any]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", props["urlPort"]))
        taken.listen()

        with pytest.raises(Trouble) as caught:
            KindClusterProvider().create(props)

    port = props["urlPort"]
    assert str(caught.value) == (
        f"port {port} on 127.0.0.1 is in use; setting cluster.port, here {port}, decides it and "
        "may be any from 1024 to 65533\n"
        "hint: pulumi config set --path stackyard:cluster.port PORT"
    )


def test_a_failed_creation_shows_kinds_last_lines(docker: Path, props: dict[str, Any]) -> None:
    (docker / "fail").touch()

    with pytest.raises(CommandFailed) as caught:
        KindClusterProvider().create(props)

    lines = str(caught.value).splitlines()
    assert lines[0] == "`kind create cluster --config ...` failed:"
    assert lines[-2] == "ERROR: failed to create cluster: no room"
    assert lines[-1] == "hint: docker system df, then run the same command again"
    assert len(lines) == 17


def test_a_refresh_finds_a_deleted_cluster_gone(docker: Path, props: dict[str, Any]) -> None:
    provider = KindClusterProvider()
    provider.create(props)
    provider.delete(NAME, props)

    assert provider.read(NAME, props).id is None
    assert containers(docker) == {}


def test_a_refresh_keeps_a_stopped_cluster(docker: Path, props: dict[str, Any]) -> None:
    stopped = {NODE: {"cluster": NAME, "state": "exited", "mounts": []}}
    (docker / "containers.json").write_text(json.dumps(stopped))

    result = KindClusterProvider().read(NAME, {**props, "kubeconfig": "kept"})

    assert (result.id, (result.outs or {})["kubeconfig"]) == (NAME, "kept")


def test_without_docker_the_message_says_what_provides_it(
    props: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(Trouble) as caught:
        KindClusterProvider().create(props)

    assert str(caught.value) == (
        "docker is not on PATH\nhint: make tools, or through our command: stackyard up"
    )


def test_a_new_node_image_leaves_a_cluster_alone_and_a_new_port_replaces_it(
    props: dict[str, Any],
) -> None:
    provider = KindClusterProvider()

    image = provider.diff(NAME, props, {**props, "nodeImage": "kindest/node:v2"})
    port = provider.diff(NAME, props, {**props, "urlPort": 1})

    assert (image.changes, image.replaces) == (False, [])
    assert (port.changes, port.replaces, port.delete_before_replace) == (True, ["urlPort"], True)


def test_kind_is_told_ports_mounts_and_nothing_else(props: dict[str, Any]) -> None:
    assert json.loads(kind_config(props)) == {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "name": NAME,
        "networking": {"apiServerAddress": "127.0.0.1", "apiServerPort": props["apiPort"]},
        "nodes": [
            {
                "role": "control-plane",
                "extraPortMappings": [
                    {
                        "containerPort": 30080,
                        "hostPort": props["urlPort"],
                        "listenAddress": "127.0.0.1",
                        "protocol": "TCP",
                    }
                ],
                "extraMounts": [
                    {
                        "hostPath": props["volumes"],
                        "containerPath": "/var/local-path-provisioner",
                    },
                    {
                        "hostPath": props["certs"],
                        "containerPath": "/etc/containerd/certs.d",
                        "readOnly": True,
                    },
                ],
            }
        ],
    }


def test_a_machine_without_kindnetd_brings_its_own_network(props: dict[str, Any]) -> None:
    config = json.loads(kind_config({**props, "cniDirectory": "/cni", "cgroupV1": True}))

    assert config["networking"]["disableDefaultCNI"] is True
    assert config["nodes"][0]["extraMounts"][-1] == {
        "hostPath": "/cni",
        "containerPath": "/etc/cni/net.d",
        "readOnly": True,
    }
    assert [json.loads(patch) for patch in config["kubeadmConfigPatches"]] == [
        {"kind": "KubeletConfiguration", "failCgroupV1": False}
    ]


def test_the_ports_of_a_stack_follow_from_its_name() -> None:
    ports = ports_of("dev", None)

    assert (ports.url, ports.api, ports.registry) == (20130, 20131, 20132)
    assert ports_of("dev", 18080) == Ports(18080)
