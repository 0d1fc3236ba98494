"""What README and docs tell a reader to type is typed here, against the journey's stack."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.yard import ROOT, Yard

pytestmark = pytest.mark.e2e

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*/*.md"))]
BLOCK = re.compile(
    r"(?:<!-- not run here: (?P<why>[^>]+) -->\n)?```bash\n(?P<text>.*?)^```", re.S | re.M
)
# a block that is not run says why, in one of these words
REASONS = (
    "CI runs it",
    "another test runs it",
    "needs AWS",
    "needs a GPU",
    "needs NVIDIA's API",
    "needs a cluster of yours",
    "needs a newer version",
    "needs a price file of yours",
    "needs a stack with the setting",
    "needs an older version",
    "needs Velero",
    "takes half an hour",
)
SAMPLE = ROOT / "examples" / "documents" / "office-guide.txt"


@dataclass(frozen=True)
class Block:
    """One block of shell commands of a page."""

    page: Path
    line: int
    text: str
    why_not: str

    @property
    def name(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> list[Block]:
    text = page.read_text()
    return [
        Block(page, text.count("\n", 0, found.start("text")), found["text"], found["why"] or "")
        for found in BLOCK.finditer(text)
    ]


ALL = [block for page in PAGES for block in blocks(page)]
RUN = [block for block in ALL if not block.why_not]


def test_a_block_that_is_not_run_says_why() -> None:
    assert [block.name for block in ALL if block.why_not and block.why_not not in REASONS] == []
    assert len(RUN) >= 3


@pytest.mark.parametrize("block", RUN, ids=[block.name for block in RUN])
def test_the_commands_of_a_page_work(block: Block, yard: Yard, tmp_path: Path) -> None:
    (tmp_path / "documents").mkdir()
    shutil.copy(SAMPLE, tmp_path / "documents" / "house-rules.txt")
    settings = {"HOME": str(tmp_path), "STACKYARD_STACK": yard.stack}

    yard.shell(block.text, settings)
