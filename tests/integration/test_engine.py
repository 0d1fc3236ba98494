"""The `stackyard` side of the real Pulumi engine: a killed `up` is carried on, nothing is lost."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stackyard import machine
from stackyard.engine import MARK, Engine
from stackyard.errors import Trouble
from stackyard.locks import Lock
from stackyard.orphans import end_orphans
from stackyard.project import Stack
from tools import toolchain

ROOT = Path(__file__).parents[2]
PROGRAM = """
import os, time
import pulumi
from pulumi.dynamic import CreateResult, Resource, ResourceProvider

class Provider(ResourceProvider):
    def create(self, props):
        if props["file"]:
            open(props["file"], "w").close()
            time.sleep(props["seconds"])
        if props["seconds"] < 0:
            raise Exception("the disk of the node is full")
        return CreateResult("id", props)

class Thing(Resource):
    def __init__(self, name, seconds=0, file="", opts=None):
        super().__init__(Provider(), name, {"seconds": seconds, "file": file}, opts)

if os.environ.get("WARN"):
    pulumi.log.warn(os.environ["WARN"])
quick = Thing("quick", opts=pulumi.ResourceOptions(protect=True))
begun = os.environ.get("BEGUN", "")
after = pulumi.ResourceOptions(depends_on=quick)
Thing("slow", float(os.environ.get("SLOW", "0")), begun, after)
pulumi.export("apiKey", pulumi.Output.secret("s3cret"))
"""
UP = (
    "import os, sys; from pathlib import Path; from stackyard.engine import Engine;"
    "from stackyard.project import Stack\n"
    "Engine(Stack('engine', Path(sys.argv[1])), os.environ).up(lambda _text: None)"
)

pytestmark = pytest.mark.engine


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """A small program of its own on a state folder of its own."""
    monkeypatch.setenv("STACKYARD_HOME", str(tmp_path / "home"))
    toolchain.ensure()
    project = tmp_path / "project"
    project.mkdir()
    runtime = f"{{name: python, options: {{toolchain: pip, virtualenv: {sys.prefix}}}}}"
    (project / "Pulumi.yaml").write_text(f"name: stackyard\nruntime: {runtime}\n")
    (project / "__main__.py").write_text(PROGRAM)
    stack = Stack("engine", project)
    (tmp_path / "state").mkdir()
    environment = {
        **machine.environment(stack),
        "PULUMI_BACKEND_URL": (tmp_path / "state").as_uri(),
        "PULUMI_CONFIG_PASSPHRASE": "of the tests",
        "PYTHONPATH": str(ROOT),
    }
    engine = Engine(stack, environment)
    engine.select()
    yield engine
    end_orphans(f"{MARK}={stack.home}")


def quiet(_text: str) -> None:
    return None


def test_an_up_that_was_killed_is_carried_on_by_the_next(engine: Engine, tmp_path: Path) -> None:
    lock = begin_and_kill(engine, tmp_path / "begun")
    os.kill(lock.pid, signal.SIGKILL)

    told = engine.carry_on(quiet)
    progress = engine.up(quiet)

    assert told == [
        "removed the lock of a run that was killed",
        "took up 1 operation(s) that a killed run had begun",
    ]
    assert progress.changes == {"create": 1, "same": 2}
    assert engine.outputs() == {"apiKey": "s3cret"}


def test_an_engine_that_outlived_its_up_is_waited_for(engine: Engine, tmp_path: Path) -> None:
    lock = begin_and_kill(engine, tmp_path / "begun", seconds=10)
    waited: list[str] = []

    def tell(text: str) -> None:
        if not waited:  # a second one would end it before its state is written
            os.kill(lock.pid, signal.SIGINT)
        waited.append(text)

    told = engine.carry_on(tell)

    assert waited[0] == f"waiting for another run, process {lock.pid}"
    assert "removed the lock of a run that was killed" not in told


def test_a_second_up_changes_nothing(engine: Engine) -> None:
    engine.up(quiet)

    again = engine.up(quiet)

    assert again.changed == 0


def test_what_a_program_warns_of_is_kept(engine: Engine) -> None:
    engine.environment["WARN"] = "llm is reached in plain HTTP"

    assert engine.up(quiet).warnings == ["llm is reached in plain HTTP"]


def test_a_failing_resource_is_told_in_the_engines_words(engine: Engine) -> None:
    engine.environment["SLOW"] = "-1"

    with pytest.raises(Trouble, match="the disk of the node is full") as found:
        engine.up(quiet)

    assert "Resource slow: " in str(found.value)
    assert "hint: the whole output is in " in str(found.value)


def test_what_is_gone_with_its_cluster_is_made_anew_and_the_rest_is_kept(engine: Engine) -> None:
    engine.up(quiet)

    engine.drop(lambda resource: str(resource["urn"]).endswith("::quick"))
    progress = engine.up(quiet)

    assert progress.changes == {"create": 1, "same": 2}


def test_destroying_takes_what_is_protected_too(engine: Engine) -> None:
    engine.up(quiet)

    progress = engine.destroy(quiet)
    engine.forget()

    assert progress.changes["delete"] == 3
    assert engine.exists() is False
    assert engine.outputs() == {}


def begin_and_kill(engine: Engine, begun: Path, seconds: int = 60) -> Lock:
    """Start an up, kill it in the middle of a resource, return the lock that its engine holds."""
    environment = {**engine.environment, "SLOW": str(seconds), "BEGUN": str(begun)}
    command = [sys.executable, "-c", UP, str(engine.stack.project)]
    with subprocess.Popen(command, env=environment) as process:
        end = time.monotonic() + 60
        while not begun.exists():
            assert process.poll() is None, "the up ended before it was killed"
            assert time.monotonic() < end, "the up has not begun"
        process.kill()
    (lock,) = engine.locks()
    return lock
