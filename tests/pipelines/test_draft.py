"""What goes out of a reply while it comes, piece by piece."""

import re

import pytest
from haystack import Document

from pipelines.answer import Answer
from pipelines.citations import Quote, quoted_answer
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


@pytest.mark.parametrize(
    ("quoted", "answer"),
    [("* Oil the pump.", "Oil the pump."), ("--oil feeds the pump", "--oil feeds the pump.")],
)
def test_a_quote_loses_its_bullet_and_an_option_keeps_its_dashes(quoted: str, answer: str) -> None:
    quote = Quote(Document(content=quoted), (0, len(quoted)))

    assert quoted_answer(quote) == answer


def test_without_a_passage_nothing_is_begun() -> None:
    draft = Draft(QUESTION, SETTINGS, "documents")
    draft.saw("gate", {"documents": []})

    assert draft.heard("The pump") == []
    assert draft.last_texts() == [NOT_ANSWERED]


@pytest.mark.parametrize(
    ("said", "quotes"),
    [
        # The best sentence for the question is the last one; what was said stands elsewhere.
        ("The feed pump needs oil every 500 hours.", [QUOTED]),
        ("Fresh oil of grade ISO 46 every 500 hours.", [f"{QUOTED} Use oil of grade ISO 46."]),
        # Each sentence is cited, though they stand apart.
        ("Fresh oil every 500 hours. The pump is in hall 3.",
         [QUOTED, "The feed pump stands in hall 3."]),
        # What points back takes along what it points to.
        ("The oil must be warm before.",
         ["Fresh oil for the feed pump comes from the store. It must be warm before."]),
    ],
)  # fmt: skip
def test_what_is_cited_holds_what_is_said(said: str, quotes: list[str]) -> None:
    text = (
        f"{QUOTED} Use oil of grade ISO 46. Fresh oil for the feed pump comes from the store. "
        "It must be warm before. The feed pump stands in hall 3. How often it needs fresh oil: ask."
    )
    passage = Document(content=text, meta={**PASSAGE.meta, "span": [0, len(text)]})
    draft = Draft(QUESTION, SETTINGS, "documents")
    draft.saw("gate", {"documents": [passage]})
    draft.heard(f"{said} ")
    draft.last_texts()

    answer = draft.answer()

    assert (answer.answer, answer.source) == (said, "model")
    assert [each.quote for each in answer.citations] == quotes
    assert [text[start:end] for start, end in (each.span for each in answer.citations)] == quotes
