"""What `serve` keeps between runs, and how others find one that runs."""

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from stackyard.errors import Trouble
from tools.paths import home_dir


@dataclass(frozen=True)
class Serving:
    """A `serve` that runs on this machine."""

    pid: int
    url: str
    ports: dict[str, int]

    @property
    def key(self) -> str:
        return app_key_file().read_text().strip()


def folder() -> Path:
    return home_dir() / "serve"


def log_file(name: str) -> Path:
    return folder() / "logs" / f"{name}.log"


def app_key_file() -> Path:
    return folder() / "keys" / "app"


def qdrant_key_file() -> Path:
    return folder() / "keys" / "qdrant"


def qdrant_read_key_file() -> Path:
    return folder() / "keys" / "qdrant-read"


def prepare() -> None:
    """Make the folders, and the keys where there are none; only this user can read them."""
    for name in ("keys", "logs", "data/app", "data/qdrant"):
        (folder() / name).mkdir(parents=True, exist_ok=True)
    folder().chmod(0o700)
    for path in (app_key_file(), qdrant_key_file(), qdrant_read_key_file()):
        if not path.exists() or not path.read_text().strip():
            _write(path, secrets.token_urlsafe(32))


@contextmanager
def held() -> Iterator[None]:
    """Hold the one place that there is for a running `serve`; a killed one gives it back."""
    folder().mkdir(parents=True, exist_ok=True)
    with (folder() / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = running()
            where = f" at {other.url}, process {other.pid}" if other else ", it is just starting"
            message = f"serve runs already{where}"
            raise Trouble(
                message, "stackyard ask, or end it with: stackyard serve --stop"
            ) from None
        yield


def is_held() -> bool:
    path = folder() / "lock"
    if not path.exists():
        return False
    with path.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def running() -> Serving | None:
    """Return the `serve` that runs and is ready, if any."""
    known = last()
    return known if known is not None and known.pid and is_held() else None


def last() -> Serving | None:
    """Return what the last run wrote down; its pid is 0 once it has ended."""
    try:
        read = json.loads((folder() / "serve.json").read_text())
        return Serving(int(read["pid"]), str(read["url"]), dict(read["ports"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def record(url: str, ports: dict[str, int]) -> None:
    _write(folder() / "serve.json", json.dumps(asdict(Serving(os.getpid(), url, ports))))


def record_ended() -> None:
    """Keep the ports, so that the next run has the same address where it is free."""
    known = last()
    if known is not None:
        _write(folder() / "serve.json", json.dumps(asdict(Serving(0, known.url, known.ports))))


def _write(path: Path, text: str) -> None:
    temporary = path.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    temporary.replace(path)
