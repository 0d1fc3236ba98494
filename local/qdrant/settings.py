"""The server's settings; the only place that reads the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from local.qdrant.errors import StartError

PREFIX = "QDRANT_EDGE_"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where to keep data, where to listen, whom to let in."""

    directory: Path = Path("/qdrant/storage")
    host: str = "127.0.0.1"
    port: int = 6333
    api_key: str | None = field(default=None, repr=False)
    read_only_api_key: str | None = field(default=None, repr=False)
    # PEM files: with both it speaks TLS and nothing else
    tls_cert: Path | None = None
    tls_key: Path | None = None
    max_request_bytes: int = 32 << 20
    # writes are refused below this, because the engine's memory maps cannot report a full disk
    min_free_bytes: int = 128 << 20
    # changed points after which a collection is compacted and indexed in the background
    optimize_after: int = 20_000

    @staticmethod
    def from_environment(environment: Mapping[str, str] | None = None) -> "Settings":
        values = os.environ if environment is None else environment
        reader = _Reader(values)
        settings = Settings(
            directory=Path(reader.text("DIR", "/qdrant/storage")),
            host=reader.text("HOST", "127.0.0.1"),
            port=reader.integer("PORT", 6333, 0, 65535),
            api_key=reader.secret("API_KEY_FILE"),
            read_only_api_key=reader.secret("READ_ONLY_API_KEY_FILE"),
            tls_cert=reader.file("TLS_CERT_FILE"),
            tls_key=reader.file("TLS_KEY_FILE"),
            max_request_bytes=reader.integer("MAX_REQUEST_MB", 32, 1, 4096) << 20,
            min_free_bytes=reader.integer("MIN_FREE_MB", 128, 1, 1 << 30) << 20,
            optimize_after=reader.integer("OPTIMIZE_AFTER", 20_000, 1, 1 << 40),
        )
        reader.together("TLS_CERT_FILE", "TLS_KEY_FILE")
        reader.finish()
        return settings


class _Reader:
    """Reads values and collects all problems, so that one start tells them all."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self._asked: set[str] = set()
        self._problems: list[str] = []

    def text(self, name: str, default: str) -> str:
        self._asked.add(PREFIX + name)
        return self._values.get(PREFIX + name, default)

    def integer(self, name: str, default: int, least: int, most: int) -> int:
        text = self.text(name, str(default))
        if text.isdecimal() and least <= int(text) <= most:
            return int(text)
        self._problems.append(
            f"{PREFIX}{name} is '{text}', it must be an integer from {least} to {most}"
        )
        return default

    def secret(self, name: str) -> str | None:
        """Read a key file; an unset or empty variable means no key."""
        text = self.text(name, "")
        if not text:
            return None
        try:
            key = Path(text).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            self._problems.append(f"{PREFIX}{name} is '{text}', which cannot be read: {reason}")
            return None
        if not key:
            self._problems.append(f"{PREFIX}{name} is '{text}', which is an empty file")
        return key

    def file(self, name: str) -> Path | None:
        """Name a file that is there; an unset or empty variable means none."""
        text = self.text(name, "")
        if text and not Path(text).is_file():
            self._problems.append(f"{PREFIX}{name} is '{text}', which is not a file")
        return Path(text) if text else None

    def together(self, *names: str) -> None:
        """Let variables be set all or none."""
        missing = [name for name in names if not self.text(name, "")]
        if 0 < len(missing) < len(names):
            self._problems.append(
                f"{PREFIX}{missing[0]} is not set, it belongs to the other of "
                + " and ".join(PREFIX + name for name in names)
            )

    def finish(self) -> None:
        unknown = sorted(
            name for name in self._values if name.startswith(PREFIX) and name not in self._asked
        )
        known = ", ".join(sorted(self._asked))
        self._problems += [f"{name} is not a setting, the settings are {known}" for name in unknown]
        if self._problems:
            message = "\n".join([*self._problems, "hint: set them right and start again"])
            raise StartError(message)
