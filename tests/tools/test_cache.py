"""The cache: whole or not at all, and never believed blindly."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.tools.conftest import Yard
from tools.cache import Recipe, content_key
from tools.errors import ToolUnavailable

ROOT = Path(__file__).parents[2]
ANOTHER_RUN = """
import sys, time
from pathlib import Path
from tools.cache import Recipe

def make(folder):
    (folder / "tool").write_text("half")
    Path(sys.argv[1]).touch()
    time.sleep(float(sys.argv[2]))
    (folder / "tool").write_text("whole")
    return "by another run"

Recipe(name="tool", key="k", make=make).ensure()
"""


class Counting:
    """A maker that counts how often it was needed."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, folder: Path) -> str:
        self.count += 1
        (folder / "tool").write_text("the content")
        (folder / "tool").chmod(0o755)
        return "made"


@pytest.fixture
def make() -> Counting:
    return Counting()


@pytest.fixture
def recipe(yard: Yard, make: Counting) -> Recipe:
    return Recipe(name="tool", key="k", make=make)


def test_what_is_there_is_not_made_again(recipe: Recipe, make: Counting) -> None:
    first = recipe.ensure()
    second = recipe.ensure()

    assert make.count == 1
    assert first == second
    assert second.way == "made"


def test_a_truncated_file_is_found_and_made_anew(
    recipe: Recipe, make: Counting, capsys: pytest.CaptureFixture[str]
) -> None:
    tool = recipe.ensure().folder / "tool"
    tool.write_text("the con")

    recipe.ensure()

    assert make.count == 2
    assert tool.read_text() == "the content"
    assert capsys.readouterr().err == f"{recipe.folder} is damaged and is made anew\n"


def test_a_changed_byte_is_found(recipe: Recipe, make: Counting) -> None:
    tool = recipe.ensure().folder / "tool"
    tool.write_text("The content")

    recipe.ensure()

    assert make.count == 2


@pytest.mark.parametrize("damage", ["absent", "mode", "manifest"])
def test_other_damage_is_found(recipe: Recipe, make: Counting, damage: str) -> None:
    folder = recipe.ensure().folder
    if damage == "absent":
        (folder / "tool").unlink()
    elif damage == "mode":
        (folder / "tool").chmod(0o644)
    else:
        (folder / ".manifest.json").write_text("{")

    assert recipe.find() is None


def test_a_copied_cache_is_read_once_and_believed(recipe: Recipe, make: Counting) -> None:
    tool = recipe.ensure().folder / "tool"
    os.utime(tool, (1, 1))

    assert recipe.find() is not None


def test_a_failing_maker_leaves_nothing(yard: Yard) -> None:
    def make(folder: Path) -> str:
        (folder / "tool").write_text("half")
        raise ToolUnavailable

    recipe = Recipe(name="tool", key="k", make=make)

    with pytest.raises(ToolUnavailable):
        recipe.ensure()

    assert [f.name for f in (yard.cache / "tools").iterdir()] == [".tool-k.lock"]


def test_a_killed_run_leaves_no_half_entry_and_its_rest_is_cleared(
    yard: Yard, recipe: Recipe
) -> None:
    other = another_run(yard, seconds=60)
    other.send_signal(signal.SIGKILL)
    other.wait()

    left = sorted(f.name for f in (yard.cache / "tools").iterdir() if f.is_dir())
    assert recipe.find() is None
    recipe.ensure()

    assert len(left) == 1
    assert left[0].startswith(".tool-k.")
    assert [f.name for f in (yard.cache / "tools").iterdir() if f.is_dir()] == ["tool-k"]


def test_of_two_runs_at_once_one_waits_and_takes_what_the_other_made(
    yard: Yard, recipe: Recipe, make: Counting, capsys: pytest.CaptureFixture[str]
) -> None:
    other = another_run(yard, seconds=0.5)

    entry = recipe.ensure()
    other.wait()

    assert make.count == 0
    assert entry.way == "by another run"
    assert (entry.folder / "tool").read_text() == "whole"
    assert "Waiting for another run that makes tool" in capsys.readouterr().err


def test_a_recipe_that_needs_itself_is_an_error_and_no_deadlock(yard: Yard) -> None:
    def make(folder: Path) -> str:
        return Recipe(name="tool", key="k", make=make).ensure().way

    with pytest.raises(RuntimeError, match="the recipe of tool needs itself"):
        Recipe(name="tool", key="k", make=make).ensure()


def test_a_full_disk_names_the_folder_and_the_setting(yard: Yard) -> None:
    def make(folder: Path) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(ToolUnavailable) as found:
        Recipe(name="tool", key="k", make=make).ensure()

    assert str(found.value) == (
        f"the disk of {yard.cache}/tools is full, tool could not be made\n"
        "hint: free 5 GB there, or set STACKYARD_CACHE to a folder on another disk, "
        "then: make tools"
    )


def test_a_key_follows_content_and_names_not_times(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    first = content_key(tmp_path, "flags")
    os.utime(tmp_path / "a", (1, 1))
    touched = content_key(tmp_path, "flags")
    (tmp_path / "a").rename(tmp_path / "b")
    renamed = content_key(tmp_path, "flags")

    assert first == touched
    assert len({first, renamed, content_key(tmp_path, "other flags")}) == 3


def another_run(yard: Yard, seconds: float) -> subprocess.Popen[bytes]:
    """Start another process that makes the same entry; return when it is in the middle."""
    begun = yard.path / "begun"
    other = subprocess.Popen(
        [sys.executable, "-c", ANOTHER_RUN, str(begun), str(seconds)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    end = time.monotonic() + 20
    while not begun.exists():
        assert other.poll() is None, "the other run ended at once"
        assert time.monotonic() < end, "the other run has not begun"
        time.sleep(0.01)
    return other
