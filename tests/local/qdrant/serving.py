"""Start and end the server as a process of its own."""

import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[3]
START_SECONDS = 240.0  # of a machine that is busy


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def environment(directory: Path, settings: Mapping[str, str]) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("QDRANT_EDGE_")}
    # test volumes are small: a reserve of 1 MiB is enough there
    own = {"QDRANT_EDGE_DIR": str(directory), "QDRANT_EDGE_MIN_FREE_MB": "1"}
    return kept | own | dict(settings)


@dataclass
class Serving:
    """One server on a directory; start again after kill or stop to see what was kept."""

    directory: Path
    settings: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    ca: Path | None = None  # whom to trust, where its settings say TLS
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        scheme = "http" if self.ca is None else "https"
        return f"{scheme}://127.0.0.1:{self.port}"

    def start(self) -> "Serving":
        settings = {"QDRANT_EDGE_PORT": str(self.port), **self.settings}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "local.qdrant"],
            cwd=ROOT,
            env=environment(self.directory, settings),
        )
        trusted = ssl.create_default_context(cafile=self.ca)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                message = f"the server ended with status {self.process.returncode}"
                raise AssertionError(message)
            try:
                ready = httpx.get(f"{self.url}/readyz", timeout=1, verify=trusted)
                if ready.status_code == 200:
                    return self
            except httpx.TransportError:
                time.sleep(0.05)
        self.kill()
        message = f"the server was not ready within {START_SECONDS:g} s"
        raise AssertionError(message)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int:
        if self.process is None:
            return 0
        self.process.send_signal(number)
        status = self.process.wait(timeout=30)
        self.process = None
        return status
