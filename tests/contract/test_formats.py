"""The command sends what the service reads; neither imports the other."""

from pathlib import Path

from pipelines.reading.kinds import KINDS
from stackyard.ingestion import KNOWN

GUIDE = Path(__file__).parents[2] / "docs/guides/documents.md"


def test_the_command_knows_the_formats_of_the_service() -> None:
    assert KNOWN == KINDS


def test_the_guide_names_every_format() -> None:
    text = GUIDE.read_text()

    assert [kind for kind in KINDS if f"`{kind}`" not in text] == []
