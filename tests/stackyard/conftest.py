"""What the command's tests share: a home of their own, a service, and the stand-in tools."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from stackyard import machine
from stackyard.cli import app
from stackyard.progress import Tell
from stackyard.project import Stack
from tests.stackyard.fake_service import KEY, FakeService
from tests.stackyard.fake_tools import FakeTools

Invoke = Callable[..., Result]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A STACKYARD_HOME of the test's own, and a terminal that wraps nothing."""
    monkeypatch.setenv("STACKYARD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "240")
    for name in ("STACKYARD_KEY", "STACKYARD_STACK", "STACKYARD_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "home"


@pytest.fixture
def service() -> Iterator[FakeService]:
    with FakeService() as running:
        yield running


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_text(KEY + "\n")
    return path


@pytest.fixture
def invoke() -> Invoke:
    """Run a command line in this process."""

    def run(*arguments: str | Path, given: str | None = None) -> Result:
        return CliRunner().invoke(app, [str(each) for each in arguments], input=given)

    return run


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a Pulumi.yaml of ours, as the current one."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "Pulumi.yaml").write_text("name: stackyard\nruntime: python\n")
    (folder / "Pulumi.dev.yaml").write_text("encryptionsalt: v1:abc\nconfig:\n  stackyard:x: 1\n")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def tools(
    tmp_path: Path, project: Path, service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> FakeTools:
    """The stand-in tools for the toolchain's; `pulumi up` ends with the fake service's URL."""
    fake = FakeTools(tmp_path / "tools")
    fake.change(outputs={"url": service.url, "apiKey": KEY, "kubeconfig": "apiVersion: v1\n"})

    def prepare(_stack: Stack, _tell: Tell) -> dict[str, str]:
        return fake.environment

    monkeypatch.setattr(machine, "prepare", prepare)
    monkeypatch.setattr(machine, "environment", lambda _stack: fake.environment)
    monkeypatch.setattr(machine, "exports", lambda _stack: {"PATH": "/a b", "KUBECONFIG": "/k"})
    monkeypatch.setattr(machine, "start_docker", lambda _tell: None)
    monkeypatch.setattr(machine, "stop_docker", lambda: fake.change(docker="stopped"))
    return fake


@pytest.fixture
def stack(project: Path) -> Stack:
    return Stack("dev", project)
