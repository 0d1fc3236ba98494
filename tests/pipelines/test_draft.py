"""What goes out of a reply while it comes, piece by piece."""

import re

import pytest
from haystack import Document

from pipelines.answer import Answer
from pipelines.draft import LEFT_OFF, Draft
from pipelines.prompts import NOT_ANSWERED
from pipelines.settings import Endpoint, QuerySettings

QUESTION = "How often does the feed pump need fresh oil?"
QUOTED = "The feed pump needs fresh oil every 500 hours."
TEXT = f"{QUOTED} Use oil of grade ISO 46. The canteen opens at eleven."
PASSAGE = Document(
    content=TEXT,
    meta={"document": "manual.pdf", "document_id": "id", "page": 1, "span": [0, len(TEXT)]},
)
ENDPOINT = Endpoint(url="http://models/v1", model="model")
SETTINGS = QuerySettings(embedding=ENDPOINT, ranking=ENDPOINT, llm=ENDPOINT)


def pieces(reply: str) -> list[str]:
    """Return the reply in words, each with the white space before it."""
    return re.findall(r"\s*\S+", reply)


def drafted(*deltas: str) -> tuple[list[str], Answer]:
    draft = Draft(QUESTION, SETTINGS, "documents")
    draft.saw("gate", {"documents": [PASSAGE]})
    texts: list[str] = []
    for delta in deltas:
        if not draft.stopped:
            texts += draft.heard(delta)
    texts += draft.last_texts()
    return texts, draft.answer()


def test_words_go_out_as_they_are_whole_and_the_first_at_once() -> None:
    texts, answer = drafted(*pieces("The pump needs oil every 500 hours."))

    # `needs` says nothing by itself, and takes `pump` along; others wait for the word behind them.
    assert texts == ["The", " pump needs", " oil", " every", " 500 hours."]
    assert answer.answer == "The pump needs oil every 500 hours."


def test_a_word_in_two_pieces_is_not_given_out_in_half() -> None:
    texts, _ = drafted("The pu", "mp needs oil every 5", "00 hours.")

    assert texts == ["The", " pump needs oil every", " 500 hours."]


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        # What no passage holds is never out; what is out stays, and is marked.
        ("The pump needs oil every 900 hours.", f"The pump needs oil every{LEFT_OFF} {QUOTED}"),
        ("Peter looks after the oil.", QUOTED),
        # A second sentence is not begun for the sake of a word without meaning.
        ("The pump needs oil every 500 hours. It was built here.",
         "The pump needs oil every 500 hours."),
        ("The pump needs oil every 500 hours. Use grade ISO 68.",
         f"The pump needs oil every 500 hours. Use grade{LEFT_OFF}"),
        # Nothing but the question's own words: weighed as a whole when its end is near.
        ("The feed pump needs fresh oil.", f"The feed pump needs{LEFT_OFF} {QUOTED}"),
        # Small models end in a loop.
        ("Fresh oil every 500 hours. " * 3, "Fresh oil every 500 hours."),
        ("", QUOTED),
    ],
)  # fmt: skip
def test_what_was_streamed_is_the_answer_whatever_becomes_of_it(reply: str, answer: str) -> None:
    texts, made = drafted(*pieces(reply))

    assert made.answer.startswith(answer)
    assert "".join(texts) == made.answer
    assert made.answerable
    assert "" not in texts


def test_in_one_piece_nothing_is_left_off() -> None:
    texts, made = drafted("The pump needs oil every 900 hours.")

    assert made.answer.startswith(QUOTED)
    assert texts == [made.answer]


def test_without_a_passage_nothing_is_begun() -> None:
    draft = Draft(QUESTION, SETTINGS, "documents")
    draft.saw("gate", {"documents": []})

    assert draft.heard("The pump") == []
    assert draft.last_texts() == [NOT_ANSWERED]
