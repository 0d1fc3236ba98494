"""The only reader of the environment in this room: one frozen value, all problems at once."""

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from local.models.catalog import MODELS, ROLES, Role
from local.models.cpu import cpu_count

PREFIX = "LOCAL_MODELS_"
T = TypeVar("T")


class SettingsError(ValueError):
    """The environment cannot be used; the message lists every problem and ends in a hint."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How one server runs; the last four make it late or failing, as a test double needs."""

    roles: tuple[Role, ...] = ROLES
    host: str = "0.0.0.0"
    port: int = 8000
    weights: Path = Path("/opt/weights")
    nim_cache: Path | None = None
    threads: int = 1
    queue: int = 128
    max_inputs: int = 512
    served_name: str | None = None
    tls: tuple[Path, Path] | None = None  # key and certificate, as PEM files
    latency_ms: int = 0
    fail_rate: float = 0.0
    fail_status: int = 503
    ready_delay_s: float = 0.0

    def names(self, role: Role) -> tuple[str, ...]:
        """Return the model names that requests may use; answers carry the first."""
        own = MODELS[role].id
        return (self.served_name, own) if self.served_name else (own,)


@dataclass(frozen=True, kw_only=True)
class StoreSettings:
    """Where weights are downloaded from and to, and the key that the store asks for."""

    url: str
    cache: Path
    key: str | None
    roles: tuple[Role, ...]


class _Reader:
    """Reads variables, and remembers what is wrong with them instead of stopping at the first."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment
        self.problems: list[str] = []

    def read(self, name: str, default: T, parse: Callable[[str], T], expected: str) -> T:
        """Return the parsed variable, or the default where it is unset or wrong."""
        value = self.environment.get(name)
        if value is None:
            return default
        try:
            return parse(value)
        except ValueError:
            self.problems.append(f"{name} is {value!r}: expected {expected}")
            return default

    def finish(self) -> None:
        """Stop with every problem in one message."""
        if self.problems:
            hint = "hint: the variables are listed in local/models/README.md"
            raise SettingsError("\n".join([*self.problems, hint]))


def load_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Return the server's settings, or stop with every problem listed."""
    reader = _Reader(environment)
    roles = reader.read(f"{PREFIX}ROLE", ROLES, _roles, "llm, embedding, ranking or all")
    served_name = environment.get("NIM_SERVED_MODEL_NAME")
    if served_name is not None and len(roles) > 1:
        reader.problems.append(
            f"NIM_SERVED_MODEL_NAME is {served_name!r}: expected to be unset "
            f"unless {PREFIX}ROLE names one role"
        )
    settings = Settings(
        roles=roles,
        host=environment.get(f"{PREFIX}HOST", Settings.host),
        port=reader.read(f"{PREFIX}PORT", Settings.port, _within(0, 65535), "0 to 65535"),
        weights=reader.read(f"{PREFIX}WEIGHTS", Settings.weights, _path, "a directory"),
        nim_cache=reader.read("NIM_CACHE_PATH", Settings.nim_cache, _path, "a directory"),
        threads=reader.read(f"{PREFIX}THREADS", cpu_count(), _within(1, 256), "1 to 256"),
        queue=reader.read(f"{PREFIX}QUEUE", Settings.queue, _within(0, 100_000), "0 to 100000"),
        max_inputs=reader.read(
            f"{PREFIX}MAX_INPUTS", Settings.max_inputs, _within(1, 100_000), "1 to 100000"
        ),
        served_name=served_name,
        tls=_tls(reader),
        latency_ms=reader.read(
            f"{PREFIX}LATENCY_MS", Settings.latency_ms, _within(0, 600_000), "0 to 600000"
        ),
        fail_rate=reader.read(f"{PREFIX}FAIL_RATE", Settings.fail_rate, _share, "0.0 to 1.0"),
        fail_status=reader.read(
            f"{PREFIX}FAIL_STATUS", Settings.fail_status, _within(400, 599), "400 to 599"
        ),
        ready_delay_s=reader.read(
            f"{PREFIX}READY_DELAY_S", Settings.ready_delay_s, _seconds, "0 seconds or more"
        ),
    )
    reader.finish()
    return settings


def load_store_settings(environment: Mapping[str, str] = os.environ) -> StoreSettings:
    """Return where `download-to-cache` downloads from and to, or stop with every problem."""
    reader = _Reader(environment)
    roles = reader.read(f"{PREFIX}ROLE", ROLES, _roles, "llm, embedding, ranking or all")
    for name, expected in (
        (f"{PREFIX}STORE_URL", "the http(s) address of a model store"),
        ("NIM_CACHE_PATH", "a directory to fill"),
    ):
        if name not in environment:
            reader.problems.append(f"{name} is not set: expected {expected}")
    url = reader.read(f"{PREFIX}STORE_URL", "", _web_address, "an http:// or https:// address")
    cache = reader.read("NIM_CACHE_PATH", Path(), _path, "a directory")
    reader.finish()
    return StoreSettings(
        url=url.rstrip("/"), cache=cache, key=environment.get("NGC_API_KEY") or None, roles=roles
    )


def store_key(environment: Mapping[str, str] = os.environ) -> str | None:
    """Return the bearer key that our own model store asks for, if any."""
    return environment.get(f"{PREFIX}STORE_KEY") or None


def weights_cache(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the directory under which fetched weights are kept between clones."""
    chosen = environment.get("STACKYARD_CACHE")
    return Path(chosen) if chosen else Path.home() / ".cache" / "stackyard"


def _tls(reader: _Reader) -> tuple[Path, Path] | None:
    """Return key and certificate where NIM_SSL_MODE asks for TLS, as NIM for LLMs names them."""
    mode = reader.read("NIM_SSL_MODE", "DISABLED", _ssl_mode, "DISABLED or TLS")
    if mode == "DISABLED":
        return None
    names = ("NIM_SSL_KEY_PATH", "NIM_SSL_CERTS_PATH")
    reader.problems += [
        f"{name} is not set: expected a PEM file, with NIM_SSL_MODE 'TLS'"
        for name in names
        if name not in reader.environment
    ]
    key, certificate = (reader.read(name, Path(), _file, "a PEM file") for name in names)
    return key, certificate


def _ssl_mode(value: str) -> str:
    if value not in ("DISABLED", "TLS"):
        raise ValueError(value)
    return value


def _file(value: str) -> Path:
    if not Path(value).is_file():
        raise ValueError(value)
    return Path(value)


def _roles(value: str) -> tuple[Role, ...]:
    chosen = ROLES if value == "all" else tuple(role for role in ROLES if role == value)
    if not chosen:
        raise ValueError(value)
    return chosen


def _path(value: str) -> Path:
    if not value:
        raise ValueError(value)
    return Path(value)


def _web_address(value: str) -> str:
    if not value.startswith(("http://", "https://")):
        raise ValueError(value)
    return value


def _within(low: int, high: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        number = int(value)
        if not low <= number <= high:
            raise ValueError(value)
        return number

    return parse


def _share(value: str) -> float:
    number = float(value)
    if not 0.0 <= number <= 1.0:
        raise ValueError(value)
    return number


def _seconds(value: str) -> float:
    number = float(value)
    if not (math.isfinite(number) and number >= 0):
        raise ValueError(value)
    return number
