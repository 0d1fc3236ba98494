"""The labelled answers: all there, all labelled, and counted as the committed figure says."""

import json
from typing import Any

import pytest

from bench.results import RESULTS
from bench.sets.building import Set
from bench.sets.supporting import (
    EACH,
    EXACT,
    SETS,
    labelled_again,
    read,
    sentences,
    standing,
    supported,
)

OIL = Set({"a.txt": "Oil. Water."}, [])


def line(**changes: Any) -> dict[str, Any]:
    return {
        "set": "oil",
        "id": "1",
        "question": "What?",
        "source": "model",
        "answer": "Oil.",
        "citations": [{"document": "a.txt", "span": [0, 4], "quote": "Oil."}],
        "sentences": [{"text": "Oil.", "supported": True}],
        "answers": True,
        **changes,
    }


def test_a_hundred_answers_are_labelled_and_the_kept_figures_are_theirs() -> None:
    lines = read()
    kept = json.loads((RESULTS / "citations.json").read_text())["figures"]

    assert len({(each["set"], each["id"]) for each in lines}) == len(lines) == EACH * len(SETS)
    assert {
        name: each.model_dump() for name, each in supported(lines).items()
    }.items() <= kept.items()
    assert kept[EXACT]["value"] == 1.0
    for each in lines:
        assert [part["text"] for part in each["sentences"]] == sentences(each["answer"])
        assert each["citations"]


def test_a_sentence_without_support_and_a_quote_that_is_not_there_are_counted() -> None:
    bad = line(
        citations=[{"document": "a.txt", "span": [0, 4], "quote": "Water."}],
        sentences=[
            {"text": "Oil.", "supported": True},
            {"text": "Water.", "supported": False},
        ],
    )

    found = supported([line(), bad])

    assert found["sentences that their citations support"].value == pytest.approx(2 / 3, abs=1e-3)
    assert found["answers that are supported whole"].value == 0.5
    assert "the same, a quote as the answer" not in found
    assert standing([line(), bad], {"oil": OIL})[EXACT].value == 0.5


def test_what_nobody_has_read_is_not_counted() -> None:
    unread = line(sentences=[{"text": "Oil.", "supported": None}])

    with pytest.raises(ValueError, match=r"1 label\(s\) are missing, first of 1"):
        supported([unread])


def test_an_answer_keeps_its_labels_only_with_its_citations() -> None:
    asked = line(sentences=[{"text": "Oil.", "supported": None}], answers=None)
    cited_otherwise = {**asked, "citations": [{**asked["citations"][0], "quote": "Water."}]}

    assert labelled_again([asked, cited_otherwise], [line()]) == [line(), cited_otherwise]
