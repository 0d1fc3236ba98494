"""A machine of its own for each test of the toolchain."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.tools.download_server import DownloadServer, serving
from tools import downloads, golang


@dataclass(frozen=True)
class Yard:
    """Folders for the cache, the state, and the one that is on PATH before the system's."""

    cache: Path
    home: Path
    path: Path

    def put(self, name: str, script: str) -> Path:
        """Put an executable on PATH."""
        return executable(self.path / name, script)


@pytest.fixture
def yard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Yard]:
    """No tool on PATH but the system's own, nothing cached, no Pulumi settings of the user's."""
    found = Yard(tmp_path / "cache", tmp_path / "home", tmp_path / "path")
    found.path.mkdir()
    monkeypatch.setenv("STACKYARD_CACHE", str(found.cache))
    monkeypatch.setenv("STACKYARD_HOME", str(found.home))
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "pulumi-home"))
    monkeypatch.setenv("PATH", f"{found.path}:/usr/bin:/bin")
    for name in ("STACKYARD_DOWNLOADS", "PULUMI_BACKEND_URL", "PULUMI_ACCESS_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(downloads, "_probed", {})
    golang.compiler.cache_clear()
    yield found
    golang.compiler.cache_clear()


@pytest.fixture
def server(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> Iterator[DownloadServer]:
    """The mirror that all downloads come from."""
    with serving() as found:
        monkeypatch.setenv("STACKYARD_DOWNLOADS", found.url)
        yield found


@pytest.fixture
def closed_port(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mirror where nothing listens any more."""
    with serving() as found:
        monkeypatch.setenv("STACKYARD_DOWNLOADS", found.url)


def executable(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path
