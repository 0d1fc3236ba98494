"""The peers' requirements are pinned to the last package, whatever registry they come from."""

import re
from pathlib import Path

import pytest

from bench.engine import content
from bench.engine.environments import PEERS
from bench.engine.sameness import RETRIEVED
from bench.engine.servers import ALL_PEERS
from bench.engine.stub import MODELS
from bench.peers import work

PINNED = re.compile(r"[a-z0-9._-]+==[^ ]+( ; .+)?")
FOLDERS = sorted(path.parent for path in PEERS.glob("*/requirements.txt"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_requirement_is_pinned(folder: Path) -> None:
    lines = (folder / "requirements.txt").read_text().splitlines()

    assert [line for line in lines if not PINNED.fullmatch(line)] == []


def test_every_peer_has_a_server_and_requirements() -> None:
    for peer in ALL_PEERS:
        assert {"server.py", "requirements.txt"} <= {
            path.name for path in (PEERS / peer.name).iterdir()
        }


def test_the_work_is_the_one_that_the_run_checks() -> None:
    assert work.DIMENSION == content.DIMENSION
    assert work.RETRIEVE == RETRIEVED
    assert {work.EMBEDDING, work.RANKING, work.LLM} == set(MODELS)
