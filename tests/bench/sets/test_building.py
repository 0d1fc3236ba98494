"""Sets: no question may be read in the documents."""

import json
import re
from pathlib import Path

import pytest

from bench.sets.building import Draft, assemble, leaks, without, write
from stackyard.evaluation.questions import read_questions

ASKED = "How do I sharpen skates?"
DRAFTS = [
    Draft("faq-0001.txt", ASKED, "Use a stone of fine grain, and oil."),
    Draft("book-0001.txt", None, 'Skates\n\nSee "How do I\nsharpen  Skates?", above. They rust.'),
]
STRANGER = "Where does the moon rise tonight?"


def test_a_question_is_cut_wherever_it_is_quoted() -> None:
    built = assemble(DRAFTS, [STRANGER])

    assert built.documents["book-0001.txt"] == 'Skates\n\nSee "", above. They rust.'
    assert leaks(built.documents, [ASKED]) == []


def test_a_question_in_a_text_or_in_a_file_name_is_found() -> None:
    texts = {"a.txt": "so: how do I SHARPEN -- skates", "how-do-i-sharpen-skates.txt": "Nothing."}

    assert [name for name, _ in leaks(texts, [ASKED])] == list(texts)
    assert leaks({"a.txt": "How do I sharpen my skates?"}, [ASKED]) == []


def test_a_question_that_cannot_be_cut_stops_the_set() -> None:
    named = [Draft("how-do-i-sharpen-skates.txt", None, "Nothing."), *DRAFTS]

    with pytest.raises(ValueError, match="1 question"):
        assemble(named, [STRANGER])


def test_only_whole_words_are_cut() -> None:
    assert without("You can do it, canst thou? So how do I.", ["can do it"]) == (
        "You  canst thou? So how do I."
    )


def test_a_question_is_asked_with_its_section_and_once_without_it() -> None:
    by_id = {str(each["id"]): each for each in assemble(DRAFTS, [STRANGER]).questions}

    assert by_id["faq-0001"]["answerable"] is True
    assert by_id["faq-0001"]["sources"] == [{"document": "faq-0001.txt", "quote": DRAFTS[0].text}]
    assert by_id["faq-0001-removed"]["answerable"] is False
    assert by_id["faq-0001-removed"]["filters"] == {
        "field": "meta.document",
        "operator": "!=",
        "value": "faq-0001.txt",
    }
    assert by_id["foreign-01"]["question"] == STRANGER


def test_a_set_is_written_as_the_evaluation_reads_it(tmp_path: Path) -> None:
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "old.txt").write_text("of an earlier version")

    write(assemble(DRAFTS, [STRANGER]), tmp_path)

    names = {path.name for path in (tmp_path / "documents").iterdir()}
    assert names == {"faq-0001.txt", "book-0001.txt"}
    assert len(read_questions(tmp_path / "questions.jsonl", names)) == 3


def test_a_quote_is_the_text_of_its_document(tmp_path: Path) -> None:
    write(assemble(DRAFTS, [STRANGER]), tmp_path)

    for line in (tmp_path / "questions.jsonl").read_text().splitlines():
        for source in json.loads(line)["sources"]:
            text = (tmp_path / "documents" / source["document"]).read_text()
            assert re.sub(r"\s+", " ", source["quote"]) in re.sub(r"\s+", " ", text)
