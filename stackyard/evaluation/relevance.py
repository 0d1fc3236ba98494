"""Says whether a passage or a citation is of a source: by the words that they share in a row."""

import re
from collections.abc import Sequence

from stackyard.evaluation.questions import Source
from stackyard.replies import Citation, Hit

# So many words in a row are shared by chance in no two places of a document; shorter texts must
# share all that they have.
RUN = 8
# Scripts without spaces: each character is a word.
_UNSPACED = r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\u0e00-\u0e7f]"
_WORDS = re.compile(rf"{_UNSPACED}|(?:(?!{_UNSPACED})[^\W_])+")


def of_source(passage: Hit | Citation, source: Source) -> bool:
    """Say whether the passage overlaps what the source names."""
    if passage.document != source.document:
        return False
    if source.page is not None and passage.page != source.page:
        return False
    text = passage.text if isinstance(passage, Hit) else passage.quote
    return source.quote is None or overlap(text, source.quote)


def sources_of(passage: Hit | Citation, sources: Sequence[Source]) -> frozenset[int]:
    """Return the positions of the sources that the passage overlaps."""
    return frozenset(place for place, each in enumerate(sources) if of_source(passage, each))


def overlap(first: str, second: str) -> bool:
    """Say whether the texts share RUN words in a row, or all words of the shorter one."""
    one, other = words(first), words(second)
    run = min(RUN, len(one), len(other))
    return run > 0 and not _runs(one, run).isdisjoint(_runs(other, run))


def words(text: str) -> list[str]:
    """Return the words in order, whatever the spacing, case and punctuation."""
    return _WORDS.findall(text.casefold())


def _runs(found: list[str], length: int) -> set[tuple[str, ...]]:
    return {tuple(found[start : start + length]) for start in range(len(found) - length + 1)}
