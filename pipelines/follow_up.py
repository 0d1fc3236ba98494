"""Makes a follow-up question stand alone, so that it can be searched for."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pipelines.words import key_words

_POINTS_BACK = re.compile(
    r"\b(it|its|they|them|their|theirs|this|that|these|those|he|him|his|she|her|there|one|ones)\b"
    r"|^\W*(and|but|or|so|then|also|what about|how about|why|why not|what else|anything else)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One message of the conversation so far."""

    role: Literal["user", "assistant"]
    content: str


def stand_alone(question: str, history: Sequence[Turn]) -> str:
    """Return the question, led by the one that it depends on where it points back.

    No model is asked: it would cost a second generation, and small ones rewrite into other
    questions. A question that names its own subject is left alone.
    """
    subject = ""
    for turn in history:
        if turn.role == "user" and turn.content.strip():
            subject = _joined(subject, turn.content.strip())
    return _joined(subject, question)


def _joined(subject: str, question: str) -> str:
    if not subject:
        return question
    depends = _POINTS_BACK.search(question) or len(key_words(question)) < 2
    return f"{subject} {question}" if depends else question
