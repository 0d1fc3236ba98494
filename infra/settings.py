"""The only reader of pulumi.Config: a stack's settings, or every problem in one message."""

import json
from dataclasses import dataclass
from pathlib import Path

import pulumi
from pulumi.runtime.config import CONFIG, get_config_env, get_config_secret_keys_env
from pydantic import ValidationError

from infra.lock import BadLock, Lock, read_lock
from infra.problems.of_sealing import sealing_problems
from infra.problems.of_settings import (
    plain_secrets,
    unknown_keys,
    wrong_name,
    wrong_together,
    wrong_values,
)
from infra.problems.telling import PROJECT, alias_of, hint
from infra.schema import SECRETS, Settings


@dataclass(frozen=True)
class Secrets:
    """The stack's secrets: Outputs that flow to Kubernetes Secrets, never plain values."""

    values: dict[str, pulumi.Output[str]]

    def get(self, name: str) -> pulumi.Output[str] | None:
        """Return a secret, or None where the stack does not set it."""
        if name not in SECRETS:
            raise KeyError(name)
        return self.values.get(name)


def load_settings(stack: str, *, listing: bool = False) -> Settings:
    """Return the stack's settings, or stop with every problem listed at once.

    `listing`: for what is asked before there is a lock, so none is missed.
    """
    given = _given()
    encrypted = [key.removeprefix(f"{PROJECT}:") for key in get_config_secret_keys_env()]
    exposed = set(_set_secrets(given)) - set(encrypted)
    problems = [*wrong_name(stack), *unknown_keys(given), *plain_secrets(exposed)]
    nouns = [alias_of(Settings, field) for field in Settings.model_fields]
    settings: Settings | None = None
    try:
        settings = Settings.model_validate(
            {key: _read(given[key]) for key in nouns if given.get(key)}
        )
    except ValidationError as error:
        problems += wrong_values(error)
    else:
        secrets = frozenset(_set_secrets(given))
        problems += wrong_together(settings, secrets)
        lock, unread = (None, []) if listing else _lock_of(settings)
        problems += [*unread, *sealing_problems(settings, secrets, lock)]
    if settings is None or problems:
        listed = "\n".join(f"  {problem}" for problem in problems)
        message = (
            f"{len(problems)} problem(s) in the settings of stack {stack}\n{listed}\n"
            f"hint: correct Pulumi.{stack}.yaml; docs/reference/settings.md lists every setting"
        )
        raise pulumi.RunError(message)
    return settings


def load_lock(settings: Settings) -> Lock:
    """Return the lock that the stack names, an empty one without; its problems are told before."""
    return _lock_of(settings)[0]


def load_file(path: str | None) -> str | None:
    """Return the text of a file that the stack names, None where it names none."""
    return None if path is None else Path(path).expanduser().read_text()


def _lock_of(settings: Settings) -> tuple[Lock, list[str]]:
    path = settings.registry.lock
    if path is None:
        return Lock(), []
    try:
        return read_lock(Path(path).expanduser()), []
    except (OSError, BadLock) as error:
        why = error.strerror if isinstance(error, OSError) else error
        told = (
            f"{PROJECT}:registry.lock: is '{path}', which cannot be read: {why}\n"
            f"{hint('registry.lock', 'bundle.lock')}"
        )
        return Lock(), [told]


def load_secrets() -> Secrets:
    """Return the secrets that the stack sets."""
    config = pulumi.Config(PROJECT)
    return Secrets({name: config.require_secret(name) for name in _set_secrets(_given())})


def _given() -> dict[str, str]:
    """Return the stack's own keys as text; pulumi.Config cannot list them."""
    everything = {**get_config_env(), **CONFIG.get()}
    return {
        key.removeprefix(f"{PROJECT}:"): value
        for key, value in everything.items()
        if key.startswith(f"{PROJECT}:")
    }


def _set_secrets(given: dict[str, str]) -> list[str]:
    # Pulumi.yaml gives every secret the default "", because the engine demands a declared key
    return [name for name in SECRETS if given.get(name)]


def _read(text: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
