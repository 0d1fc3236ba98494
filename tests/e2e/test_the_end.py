"""The end of the stack that the journeys share; its name makes it the last file."""

import json
from pathlib import Path

import pytest

from tests.e2e.yard import Yard

pytestmark = pytest.mark.e2e


def test_down_with_its_data_leaves_nothing(yard: Yard) -> None:
    yard.stackyard("down", "--delete-data", "--yes")

    stacks = json.loads(yard.tool("pulumi", "stack", "ls", "--json").stdout)
    assert [stack["name"] for stack in stacks] == []
    assert not (yard.home / "stacks" / yard.stack).exists()
    assert yard.nodes() == []
    assert running_in(yard.home) == []


def running_in(home: Path) -> list[str]:
    """Return the command lines that name a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if str(home) in command:
            found.append(command)
    return found
