"""Fixtures of the infra tests: a program run against a recording engine."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from infra.program import deploy as program
from tests.infra.recorder import Deployment, run

Deploy = Callable[..., Deployment]


@pytest.fixture(autouse=True)
def no_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep this machine's own facts and stacks out of the tests."""
    forget_machine(monkeypatch, tmp_path)


@pytest.fixture
def deploy(monkeypatch: pytest.MonkeyPatch) -> Deploy:
    """Return what runs the whole program with some settings and secrets."""
    return deployer(monkeypatch)


@pytest.fixture(scope="module")
def deploy_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deploy]:
    """Return the same for a deployment that the tests of one file share."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        forget_machine(monkeypatch, tmp_path_factory.mktemp("machine"))
        yield deployer(monkeypatch)


def forget_machine(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    for name in ("STACKYARD_MACHINE", "PULUMI_CONFIG", "PULUMI_CONFIG_SECRET_KEYS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("STACKYARD_HOME", str(folder / "home"))
    monkeypatch.setenv("STACKYARD_CACHE", str(folder / "cache"))


def deployer(monkeypatch: pytest.MonkeyPatch) -> Deploy:
    def start(
        settings: Mapping[str, object] | None = None,
        *,
        secrets: Mapping[str, str] | None = None,
        stack: str = "dev",
        only: Callable[[], None] = program,
    ) -> Deployment:
        return run(only, stack, settings or {}, secrets or {}, monkeypatch)

    return start
