"""Ports of a real network namespace on the host's loopback, with a real server inside."""

import contextlib
import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.sealed.mirror import listening

NAME = f"stackyard-test-{os.getpid()}"
needs_namespaces = pytest.mark.skipif(
    os.geteuid() != 0, reason="making a network namespace needs root"
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def running(*command: str, cwd: Path | None = None) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(10)
        if process.stdout:
            process.stdout.close()


@pytest.fixture
def namespace() -> Iterator[str]:
    subprocess.run(["ip", "netns", "add", NAME], check=True)
    subprocess.run(["ip", "-n", NAME, "link", "set", "lo", "up"], check=True)
    yield NAME
    subprocess.run(["ip", "netns", "del", NAME], check=True)


def get(port: int, path: str = "/") -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", path)
        return connection.getresponse().read()


def wait_until(holds: object, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < end, "it never came to hold"
        time.sleep(0.05)


def reachable(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_only_listeners_on_the_loopback_address_count() -> None:
    with socket.socket() as loopback, socket.socket() as everywhere:
        loopback.bind(("127.0.0.1", 0))
        everywhere.bind(("0.0.0.0", 0))
        loopback.listen()
        everywhere.listen()

        found = listening(os.getpid())

        assert loopback.getsockname()[1] in found
        assert everywhere.getsockname()[1] not in found


@needs_namespaces
def test_a_port_inside_answers_outside_until_its_server_ends(
    namespace: str, tmp_path: Path
) -> None:
    (tmp_path / "page").write_bytes(b"x" * 300_000)
    port = free_port()
    enter = ("nsenter", f"--net=/run/netns/{namespace}")
    root = Path(__file__).parents[3]

    with running(*enter, "sleep", "60") as holder:
        mirror = (sys.executable, "-u", "-m", "tools.sealed.mirror", namespace, str(holder.pid))
        with running(*mirror, cwd=root):
            server = (sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port))
            with running(*enter, *server, cwd=tmp_path):
                wait_until(lambda: reachable(port))
                assert get(port, "/page") == b"x" * 300_000
            wait_until(lambda: not reachable(port))


@needs_namespaces
def test_the_mirror_ends_with_the_process_it_follows(namespace: str) -> None:
    root = Path(__file__).parents[3]

    with running("nsenter", f"--net=/run/netns/{namespace}", "sleep", "60") as holder:
        command = (sys.executable, "-m", "tools.sealed.mirror", namespace, str(holder.pid))
        with running(*command, cwd=root) as mirror:
            holder.terminate()
            holder.wait(10)

            assert mirror.wait(10) == 0
