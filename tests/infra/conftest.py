"""Fixtures of the infra tests: a program run against a recording engine."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from infra.program import deploy as program
from tests.infra.recorder import Deployment, run

Deploy = Callable[..., Deployment]


@pytest.fixture(autouse=True)
def no_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep this machine's own facts and stacks out of the tests."""
    for name in ("STACKYARD_MACHINE", "PULUMI_CONFIG", "PULUMI_CONFIG_SECRET_KEYS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("STACKYARD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("STACKYARD_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def deploy(monkeypatch: pytest.MonkeyPatch) -> Deploy:
    """Return what runs the whole program with some settings and secrets."""

    def start(
        settings: Mapping[str, object] | None = None,
        *,
        secrets: Mapping[str, str] | None = None,
        stack: str = "dev",
        only: Callable[[], None] = program,
    ) -> Deployment:
        return run(only, stack, settings or {}, secrets or {}, monkeypatch)

    return start
