"""Talks back to the engine: status lines, warnings, and the one line about the stand-in."""

import os
import threading
from pathlib import Path

import grpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

from tools.paths import cache_dir


class Engine:
    """The engine that started this plugin."""

    def __init__(self, address: str = "", told: Path | None = None) -> None:
        self._lock = threading.Lock()
        self._address = ""
        self._channel: grpc.Channel | None = None
        self._stub: engine_pb2_grpc.EngineStub | None = None
        self._told = told or cache_dir() / "tools" / "stand-in-told"
        self.connect(address)

    def connect(self, address: str) -> None:
        """Use this address from now on."""
        with self._lock:
            if address and address != self._address:
                self._address = address
                self._channel = grpc.insecure_channel(address)
                self._stub = engine_pb2_grpc.EngineStub(self._channel)

    def close(self) -> None:
        """Let the connection go."""
        with self._lock:
            if self._channel is not None:
                self._channel.close()
            self._stub = None

    def tell(self, urn: str, text: str) -> None:
        """Show a status that the next one replaces."""
        self._log(engine_pb2.INFO, text, urn, ephemeral=True)

    def warn(self, urn: str, text: str) -> None:
        """Show a warning that stays."""
        self._log(engine_pb2.WARNING, text, urn, ephemeral=False)

    def tell_once(self, text: str) -> None:
        """Show a line once per run: one command starts a plugin for its preview and its update."""
        run = _parent()
        self._told.parent.mkdir(parents=True, exist_ok=True)
        with self._lock:
            if self._told.exists() and self._told.read_text() == run:
                return
            self._told.write_text(run)
        self._log(engine_pb2.INFO, text, "", ephemeral=False)

    def _log(
        self, severity: engine_pb2.LogSeverity.ValueType, text: str, urn: str, *, ephemeral: bool
    ) -> None:
        with self._lock:
            stub = self._stub
        if stub is not None:
            message = engine_pb2.LogRequest(
                severity=severity, message=text, urn=urn, ephemeral=ephemeral
            )
            stub.Log(message)


def _parent() -> str:
    """Return the process that started this plugin and when: the one command of the user."""
    parent = os.getppid()
    stat = Path(f"/proc/{parent}/stat")
    # the 22nd field, counted after the name, which may hold blanks
    started = stat.read_text().rpartition(")")[2].split()[19] if stat.exists() else ""
    return f"{parent} {started}"
