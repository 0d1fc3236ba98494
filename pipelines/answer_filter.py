"""What of a model's words may go on: nothing of the prompt, no live link, no address of its own.

Works on a stream: what may become one of these waits until it is clear. On the ordinary word it
costs a few searches in a few characters.
"""

import re
from collections.abc import Iterable
from functools import lru_cache

from haystack import Document

from pipelines.fencing import CANARY
from pipelines.words import view

# Letters and digits of the prompt in a row that are no coincidence, and how many of them wait for
# more. The canary waits from its first letters on.
LEAK, HELD = 48, 16
TOLD = 6  # of the canary, where a reply ends in the middle of it
_BLOCK = LEAK // 2
# An address longer than this is not waited for.
LONGEST = 2000
_SCHEMES = frozenset(("h", "ht", "htt", "http", "https", "ftp", "ws", "wss", "w", "ww", "www"))
_PLAIN = {number: chr(number).lower() if chr(number).isalnum() else None for number in range(128)}
REMOVED = "[\u2026]"

_ADDRESS = re.compile(
    r"""(?: (?: https? | ftp | wss? ) : [/\\]+
        | (?<![\w/\\]) [/\\]{2,} (?= [\w-]+ \. [\w.-] )
        | \b www \. (?=\w) ) [^\s<>"'`\u201c\u201d]+""",
    re.IGNORECASE | re.VERBOSE,
)
_BEHIND = ".,;:!?)]}*_'\"|\u2026"
# What browsers and renderers of Markdown load, or make a link of whose words say another place.
_IMAGE = re.compile(r"(?<!!)!++(?=\[)")
_TARGET = re.compile(
    r"\](?=\(\s*<?(?:[a-z][a-z0-9+.-]*:|[/\\.\#?\[]|www\.|[\w-]+\.[\w.-]*/))", re.IGNORECASE
)
_TAG = re.compile(
    r"<(?=[/!?]?(?:a|area|audio|base|body|button|embed|form|frame|iframe|img|image|input|link|math"
    r"|meta|object|script|source|style|svg|video)\b)",
    re.IGNORECASE,
)
# The word in progress may be the start of one of the above.
_MAYBE = re.compile(r"[\[\]<:\\]|//|/$|!$|\b(?:h|ht|htt|https?|ftp|w|ww|www|wss?)$|www\.", re.I)


class AnswerFilter:
    """Takes one reply in, piece by piece; `leaked` is true once the prompt came out."""

    def __init__(self, prompt: str, canary: str = CANARY) -> None:
        """`prompt` is the text of the system message."""
        self.leaked = False
        self._prompt = _of_prompt(prompt)
        self._canary = canary
        # Letters and digits of what went on, as many as a leak may have begun with.
        self._gone = ""
        self._waiting = ""
        self._word = ""

    def feed(self, delta: str, documents: Iterable[Document] = ()) -> str:
        """Return the text that can go on by this piece; nothing any more after a leak.

        Addresses that stand in `documents` letter for letter are let through, as text.
        """
        if self.leaked:
            return ""
        return self._inert(self._checked(delta, documents), documents)

    def rest(self, documents: Iterable[Document] = ()) -> str:
        """Return what was waiting when the reply is over."""
        if self._begun_canary(self._gone + _plain(self._waiting)) >= TOLD:
            self.leaked = True  # the reply was cut in the middle of it
        if self.leaked:
            return ""
        waiting, self._waiting = self._waiting, ""
        text, self._word = self._word + waiting, ""
        return inert(text, documents)

    def _checked(self, delta: str, documents: Iterable[Document]) -> str:
        self._waiting += delta
        new = _plain(self._waiting)
        seen = self._gone + new
        if self._leaks(seen, documents):
            self.leaked = True
            self._waiting = self._word = ""
            return ""
        held = min(self._begun(seen), len(new))
        cut = len(self._waiting)
        while held and cut:
            cut -= 1
            held -= self._waiting[cut].isalnum()
        text, self._waiting = self._waiting[:cut], self._waiting[cut:]
        # Most often nothing waits.
        self._gone = (self._gone + _plain(text) if self._waiting else seen)[-LEAK:]
        return text

    def _leaks(self, seen: str, documents: Iterable[Document]) -> bool:
        if self._canary in seen:
            return True
        # A leak covers one of these blocks, wherever it begins.
        blocks = range(0, len(seen) - _BLOCK + 1, _BLOCK)
        if not any(seen[start : start + _BLOCK] in self._prompt for start in blocks):
            return False
        parts = (seen[start : start + LEAK] for start in range(len(seen) - LEAK + 1))
        said = {part for part in parts if part in self._prompt}
        # What a document says too is no secret.
        texts = [_plain(document.content or "") for document in documents] if said else []
        return any(not any(part in text for text in texts) for part in said)

    def _begun(self, seen: str) -> int:
        """Return how many letters and digits at the end may be the start of a leak."""
        count = self._begun_canary(seen)
        if seen[-HELD:] in self._prompt and len(seen) >= HELD:
            length = HELD
            while length < len(seen) and seen[-length - 1 :] in self._prompt:
                length += 1
            count = max(count, length)
        return count

    def _begun_canary(self, seen: str) -> int:
        first = seen.find(self._canary[0], max(0, len(seen) - len(self._canary) + 1))
        if first < 0:
            return 0
        starts = (at for at in range(first, len(seen)) if self._canary.startswith(seen[at:]))
        return len(seen) - next(starts, len(seen))

    def _inert(self, text: str, documents: Iterable[Document]) -> str:
        text = self._word + text
        self._word = ""
        last = "" if text[-1:].isspace() else "".join(text.rsplit(None, 1)[-1:])
        plain = last.isalnum() and last.lower() not in _SCHEMES
        if not plain and len(last) <= LONGEST and _MAYBE.search(last):
            text, self._word = text[: len(text) - len(last)], last
        return inert(text, documents)


def inert(text: str, documents: Iterable[Document] = ()) -> str:
    """Return the text with nothing in it that is loaded or leads on without being seen.

    An image becomes its words, a link its words and its address beside them; an address that
    stands in none of the documents goes.
    """
    if ":" in text or "//" in text or "\\\\" in text or "www." in text.lower():
        known: set[str] | None = None
        pieces, end = [], 0
        for match in _ADDRESS.finditer(text):
            if known is None:
                known = _addresses(documents)
            address = match[0].rstrip(_BEHIND)
            if address not in known:
                pieces += [text[end : match.start()], REMOVED]
                end = match.start() + len(address)
        text = "".join([*pieces, text[end:]])
    if "[" in text or "]" in text:
        text = _TARGET.sub("] ", _IMAGE.sub("", text))
    if "<" in text:
        text = _TAG.sub("\u2039", text)
    return text


def _addresses(documents: Iterable[Document]) -> set[str]:
    """Return the addresses of the documents, those at the end of a line in both forms."""
    return {
        match[0].rstrip(_BEHIND)
        for document in documents
        for text in (document.content or "", view(document.content or ""))
        for match in _ADDRESS.finditer(text)
    }


def _plain(text: str) -> str:
    """Return letters and digits in lower case; the ASCII way takes a tenth of the time."""
    if text.isascii():
        return text.translate(_PLAIN)
    return "".join(filter(str.isalnum, text)).lower()


@lru_cache(maxsize=64)
def _of_prompt(prompt: str) -> str:
    """Return the letters and digits of a prompt, which is the same for all questions."""
    return _plain(prompt)
