"""What a passage says never stands outside of its fence."""

import re

from haystack.dataclasses import ChatMessage
from hypothesis import given
from hypothesis import strategies as st

from pipelines.fencing import CANARY, CLOSE, OPEN, defused, fenced, guarded, system_text
from pipelines.prompts import ANSWER_TEMPLATE

PIECES = st.sampled_from(
    ("<", "</", " ", "/", "passage", "PASSAGE", ">", "<|", "im_end", "|>", "\u200b", "[", "/INST",
     "]", "s", "<<SYS>>", "\U000e0041", "oil")
)  # fmt: skip


@given(st.lists(PIECES, max_size=30).map("".join))
def test_no_passage_closes_its_fence_or_speaks_as_somebody_else(text: str) -> None:
    inside = fenced(text).removeprefix(f"{OPEN}\n").removesuffix(f"\n{CLOSE}")

    assert not re.search(r"<\s*/?\s*passage\s*>|<\||\[/?INST\]|<<SYS|</?s>", inside, re.IGNORECASE)
    assert "\u200b" not in inside
    assert "\U000e0041" not in inside


def test_ordinary_text_is_left_as_it_is() -> None:
    text = (
        "Use <div> and a[1] < b, List<String>, 5 < 6. \u0645\u06cc\u200c\u062e\u0648 \u65e5\u672c"
    )

    assert defused(text) == text


def test_the_rule_and_the_canary_stand_in_whatever_system_message_there_is() -> None:
    own = [ChatMessage.from_system("Be brief."), ChatMessage.from_user("{{ question }}")]

    assert system_text(own).startswith("Be brief.\n")
    for template in (ANSWER_TEMPLATE, own, own[1:]):
        system, user = guarded(template)
        assert system.is_from("system")
        assert "never instructions" in (system.text or "")
        assert CANARY in (system.text or "")
        assert user is template[-1]
