"""What every reader returns, and how a file is refused."""

from dataclasses import dataclass
from typing import Literal

# Stable words for programs; the sentence beside them is for people.
Refusal = Literal[
    "empty", "damaged", "encrypted", "unknown-type", "no-text", "too-many-pages", "too-slow"
]


@dataclass(frozen=True, kw_only=True)
class Page:
    """The text of one page, numbered from 1."""

    number: int
    text: str


class UnreadableDocument(Exception):
    """A file that cannot be indexed: `kind` for programs, `reason` for people."""

    def __init__(self, *, kind: Refusal, reason: str) -> None:
        super().__init__(reason)
        self.kind: Refusal = kind
        self.reason = reason


def clean(text: str) -> str:
    """Return the text with plain line ends and without what no store or JSON can carry.

    Nothing else is touched: spans count code points of exactly this text.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    # Broken fonts give halves of surrogate pairs, which UTF-8 cannot encode.
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
