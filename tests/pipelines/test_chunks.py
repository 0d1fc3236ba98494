"""Sentences and chunks are true spans of the page."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.chunks import chunk_spans
from pipelines.sentences import sentence_spans

PARTS = [
    "Pumps need oil. ",
    "e.g. a valve, ",
    "word ",
    "\n",
    "\n\n",
    "• item ",
    "2.3 Title\n",
    "水が漏れる。",
    "x" * 400,
    "\t",
]


def texts(text: str) -> list[str]:
    return [text[start:end] for start, end in sentence_spans(text)]


def test_sentences_end_at_marks_not_at_abbreviations() -> None:
    assert texts("Use a tool, e.g. Lintian. It helps! See p. 3.5 for more.") == [
        "Use a tool, e.g. Lintian.",
        "It helps!",
        "See p. 3.5 for more.",
    ]


def test_a_short_word_at_an_end_may_be_an_abbreviation_a_long_one_is_none() -> None:
    assert texts("No. A of Fig. B. Hold the valve. Ask Dr. Ohm. It is al. Xal. Resp. No") == [
        "No. A of Fig. B.",
        "Hold the valve.",
        "Ask Dr. Ohm.",
        "It is al. Xal.",
        "Resp.",
        "No",
    ]


def test_headings_and_list_items_stand_alone() -> None:
    text = "as said before.\n2.3 Registering as a member\nBefore you decide:\n• read\n• think"

    assert texts(text) == [
        "as said before.",
        "2.3 Registering as a member",
        "Before you decide:",
        "• read",
        "• think",
    ]


def test_a_line_break_inside_a_sentence_does_not_end_it() -> None:
    assert texts("The key must be\nlonger than 2048 bits.") == [
        "The key must be\nlonger than 2048 bits."
    ]


def test_chunks_are_near_their_length_and_overlap() -> None:
    text = " ".join(f"Sentence number {i} has exactly seven words." for i in range(100))

    chunks = chunk_spans(text, words=140, overlap=25)

    assert all(len(text[a:b].split()) <= 175 for a, b in chunks)
    for (_, end), (start, _) in pairwise(chunks):
        assert 0 < len(text[start:end].split()) <= 25


def test_a_page_of_white_space_has_no_chunks() -> None:
    assert chunk_spans(" \n\n ", words=140, overlap=25) == []


@given(st.lists(st.sampled_from(PARTS), max_size=60).map("".join))
@settings(max_examples=150)
def test_every_word_is_in_some_chunk_and_no_chunk_is_too_long(text: str) -> None:
    spans = chunk_spans(text, words=30, overlap=6)

    covered = {i for start, end in spans for i in range(start, end)}
    assert all(i in covered for i, char in enumerate(text) if not char.isspace())
    assert all(text[start:end] == text[start:end].strip() for start, end in spans)
    assert all(end - start <= 30 * 8 * 2.5 for start, end in spans)
    assert spans == sorted(set(spans))
