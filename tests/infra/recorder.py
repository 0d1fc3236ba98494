"""The program's evaluation, with a stack's settings in the environment of one test."""

from collections.abc import Callable, Mapping

import pytest

from infra.evaluation import DIGEST, Deployment, environment_of, evaluate

__all__ = ["DIGEST", "Deployment", "run"]


def run(
    program: Callable[[], None],
    stack: str,
    settings: Mapping[str, object],
    secrets: Mapping[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> Deployment:
    """Run a program as the engine would, with a stack's settings in its environment."""
    for name, value in environment_of(settings, secrets).items():
        monkeypatch.setenv(name, value)
    return evaluate(program, stack)
