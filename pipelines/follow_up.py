"""Makes a follow-up question stand alone, so that it can be searched for."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pipelines.words import key_words

# Characters of a question, whatever the conversation was: every stage looks at each of them, while
# nobody else is served.
LONGEST = 8000

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
    questions. A question that names its own subject is left alone. What leads is cut where both
    together are longer than LONGEST.
    """
    subject = ""
    for turn in history:
        said = turn.content.strip()[:LONGEST]
        if turn.role == "user" and said:
            subject = f"{subject} {said}"[:LONGEST] if subject and _points_back(said) else said
    if not subject or not _points_back(question):
        return question
    return f"{subject[: max(0, LONGEST - len(question) - 1)]} {question}".strip()


def _points_back(question: str) -> bool:
    return bool(_POINTS_BACK.search(question)) or len(key_words(question)) < 2
