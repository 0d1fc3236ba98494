"""The page of rules is the one that the code makes."""

from pathlib import Path

from policy.reference import lines

PAGE = Path(__file__).parents[2] / "docs/reference/policies.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == "\n".join(lines()) + "\n", (
        "make it anew: python -m policy.reference > docs/reference/policies.md"
    )
