"""Questions files: what is read, and everything that is wrong with one at once."""

import json
from pathlib import Path

import pytest

from stackyard.errors import Trouble
from stackyard.evaluation.questions import Question, read_questions


def write(path: Path, *lines: str | dict[str, object]) -> Path:
    written = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("\n".join(written) + "\n")
    return path


def test_every_bad_line_is_named_at_once_with_its_number(tmp_path: Path) -> None:
    good: dict[str, object] = {"id": "1", "question": "Why?", "sources": [{"document": "a.txt"}]}
    path = write(
        tmp_path / "q.jsonl",
        good,
        "not json",
        {"id": "2", "question": " ", "sources": [{"document": "a.txt"}]},
        {"id": "3", "question": "Why?", "sources": []},
        {"id": "4", "question": "Why?", "answerable": False, "sources": [{"document": "a.txt"}]},
        {"id": "5", "question": "Why?", "sources": [{"document": "b.txt", "page": 0}]},
        {"id": "6", "question": "Why?", "sources": [{"document": "b.txt"}]},
        good,
    )

    with pytest.raises(Trouble) as refused:
        read_questions(path, {"a.txt"})

    said = str(refused.value)
    assert "7 problem(s)" in said
    assert "line 2: Invalid JSON" in said
    assert "line 3: question: String should match pattern" in said
    assert "line 4: sources is empty; a question without a source needs answerable: false" in said
    assert "line 5: answerable is false, but sources are given" in said
    assert "line 6: sources.0.page: Input should be greater than or equal to 1" in said
    assert "line 7: sources: 'b.txt' is not among the documents" in said
    assert "line 8: id is '1', as on line 1" in said
    assert "hint: a line looks like" in said


def test_a_misspelled_member_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "q.jsonl", {"id": "1", "question": "Why?", "source": []})

    with pytest.raises(Trouble, match="line 1: source: Extra inputs are not permitted"):
        read_questions(path, set())


def test_a_file_without_a_question_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Trouble, match="holds no question"):
        read_questions(write(tmp_path / "q.jsonl", ""), set())


def test_a_byte_order_mark_and_empty_lines_are_read_over(tmp_path: Path) -> None:
    line = json.dumps({"id": "1", "question": "Why?", "answerable": False})
    (tmp_path / "q.jsonl").write_bytes(b"\xef\xbb\xbf\n" + line.encode() + b"\r\n\r\n")

    assert [each.id for each in read_questions(tmp_path / "q.jsonl", set())] == ["1"]


def test_a_half_depends_on_the_question_and_on_nothing_else() -> None:
    # md5("Why?") ends in 0b, md5("How?") in 10.
    halves = [
        Question(id=name, question=question, answerable=False).half
        for name, question in (("1", "Why?"), ("2", "Why?"), ("1", "How?"))
    ]

    assert halves == ["B", "B", "A"]
