"""Docker for the other rooms: the machine's own, else Debian's in a sealed namespace."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from tools.paths import bin_dir, cache_dir, home_dir, run_dir
from tools.sealed.machine import (
    MissingOnMachine,
    has_sys_resource,
    install_packages,
    is_root,
    system_path,
)

START_SECONDS = 60
STOP_SECONDS = 60
DEFAULT_HOME = Path("~/.local/share/stackyard").expanduser()


def namespace_name() -> str:
    """Return the network namespace's name: one for each STACKYARD_HOME, so that two never meet."""
    if home_dir() == DEFAULT_HOME:
        return "stackyard"
    return "stackyard-" + hashlib.sha256(str(home_dir()).encode()).hexdigest()[:8]


def socket_path() -> Path:
    """Return the sealed Docker's socket; in /run, for a socket's path has 107 characters."""
    return Path("/run", namespace_name(), "docker.sock")


def works(command: str, host: str | None = None) -> bool:
    """Say whether a Docker client reaches its server within seconds."""
    environment = {k: v for k, v in os.environ.items() if k != "DOCKER_HOST" or host is None}
    if host:
        environment["DOCKER_HOST"] = host
    try:
        done = subprocess.run(
            [command, "version", "--format", "{{.Server.Version}}"],
            env=environment,
            capture_output=True,
            timeout=15,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def machines_own() -> str | None:
    """Return the client of a Docker that the machine already runs, if it does."""
    outside = os.pathsep.join(
        part for part in os.environ.get("PATH", "").split(os.pathsep) if part != str(bin_dir())
    )
    client = shutil.which("docker", path=outside)
    return client if client and works(client) else None


def is_sealed() -> bool:
    """Say whether the Docker of this STACKYARD_HOME is the sealed one."""
    return _wrapper().exists()


def client() -> str:
    """Return the client that reaches the running Docker."""
    return str(_wrapper()) if is_sealed() else machines_own() or "docker"


def version() -> str:
    """Return the server's version."""
    command = [client(), "version", "--format", "{{.Server.Version}}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def way() -> str:
    """Say whose Docker it is."""
    return "sealed, from Debian" if is_sealed() else "this machine's own"


def ensure() -> None:
    """Make `docker` in bin_dir() reach a running Docker.

    Raises MissingOnMachine where there is none and none can be started.
    """
    if is_sealed() and works(str(_wrapper())):
        _ensure_mirror()
        return
    if machines_own():
        _wrapper().unlink(missing_ok=True)
        return
    install_packages(["dockerd", "ip", "iptables", "nsenter"])
    if not is_root():
        message = (
            "Docker is installed but its server does not answer, and starting one needs root\n"
            "hint: start Docker (`sudo systemctl start docker`), or run: stackyard serve"
        )
        raise MissingOnMachine(message)
    if machines_own():  # installing the package started it, as systemd machines do
        return
    _start()
    _ensure_mirror()


def stop() -> None:
    """Stop the sealed Docker and remove its namespace; its data stays. Nothing to do otherwise."""
    if not is_sealed():
        return
    for name, marker in (("dockerd", str(_data())), ("mirror", "tools.sealed.mirror")):
        _end(name, marker)
    subprocess.run(["ip", "netns", "del", namespace_name()], capture_output=True, check=False)
    shutil.rmtree(socket_path().parent, ignore_errors=True)


def remove() -> None:
    """Stop the sealed Docker and delete its images, containers and volumes."""
    stop()
    shutil.rmtree(_data(), ignore_errors=True)
    _wrapper().unlink(missing_ok=True)


def _wrapper() -> Path:
    return bin_dir() / "docker"


def _data() -> Path:
    return home_dir() / "docker"


def _pid_file(name: str) -> Path:
    return run_dir() / f"{name}.pid"


def _pid(name: str, marker: str) -> int | None:
    """Return the pid in a pid file if that process is still the one that wrote it."""
    try:
        pid = int(_pid_file(name).read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except (OSError, ValueError):
        return None
    return pid if marker in command else None


def _end(name: str, marker: str) -> None:
    pid = _pid(name, marker)
    if pid is not None:
        os.kill(pid, signal.SIGTERM)
        end = time.monotonic() + STOP_SECONDS
        while _pid(name, marker) is not None and time.monotonic() < end:
            time.sleep(0.1)
        if _pid(name, marker) is not None:
            os.kill(pid, signal.SIGKILL)
    _pid_file(name).unlink(missing_ok=True)


def _make_namespace() -> None:
    name = namespace_name()
    if not Path("/run/netns", name).exists():
        subprocess.run(["ip", "netns", "add", name], check=True)
    subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
    # nsenter, not `ip netns exec`: that mounts a fresh /sys, which hides the cgroups from dockerd
    forward = ["sysctl", "-qw", "net.ipv4.ip_forward=1"]
    subprocess.run(["nsenter", f"--net=/run/netns/{name}", *forward], check=True)


def _start() -> None:
    _make_namespace()
    data, socket = _data(), socket_path()
    for folder in (data, run_dir(), bin_dir(), socket.parent):
        folder.mkdir(parents=True, exist_ok=True)
    if _pid("dockerd", str(data)) is None:
        _pid_file("dockerd").unlink(missing_ok=True)  # of a machine that went down, or of a kill -9
        command = [
            "nsenter",
            f"--net=/run/netns/{namespace_name()}",
            str(system_path("dockerd")),
            *("--data-root", str(data / "data"), "--exec-root", str(socket.parent / "exec")),
            *("--pidfile", str(_pid_file("dockerd")), "-H", f"unix://{socket}"),
            *("--storage-driver", "overlay2", "--exec-opt", "native.cgroupdriver=cgroupfs"),
        ]
        if not has_sys_resource():
            runtime = cache_dir() / "runc-capless"
            runtime.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(Path(__file__).with_name("runc-capless.sh"), runtime)
            runtime.chmod(0o755)
            command += ["--add-runtime", f"capless={runtime}", "--default-runtime", "capless"]
        with (run_dir() / "dockerd.log").open("ab") as log:
            subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
    wrapper = _wrapper()
    temporary = wrapper.with_suffix(".new")
    temporary.write_text(
        f'#!/bin/sh\nexport DOCKER_HOST=unix://{socket}\nexec {system_path("docker")} "$@"\n'
    )
    temporary.chmod(0o755)
    temporary.replace(wrapper)
    end = time.monotonic() + START_SECONDS
    while not works(str(wrapper)):
        if time.monotonic() > end:
            tail = (run_dir() / "dockerd.log").read_text(errors="replace")[-600:]
            message = (
                f"dockerd did not answer within {START_SECONDS} s; the end of its log:\n{tail}\n"
                "hint: free disk space or memory and run `make up` again, or run: stackyard serve"
            )
            raise MissingOnMachine(message)
        time.sleep(0.2)


def _ensure_mirror() -> None:
    pid = _pid("dockerd", str(_data()))
    if pid is None or _pid("mirror", "tools.sealed.mirror") is not None:
        return
    with (run_dir() / "mirror.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tools.sealed.mirror", namespace_name(), str(pid)],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    _pid_file("mirror").write_text(str(process.pid))
