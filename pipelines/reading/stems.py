"""Which of many stems a text may hold, by one look at each of its words."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

START = 4  # letters
_APART = {code: " " for code in range(128) if not chr(code).isalpha()}


class Stems:
    """Stems in lower case, by how their first word begins."""

    def __init__(self, stems: Sequence[str]) -> None:
        self._all = range(len(stems))
        self._wordless: set[int] = set()  # signs only: the text has to be looked at for them
        self._by_start: dict[str, set[int]] = defaultdict(set)
        for index, stem in enumerate(stems):
            if not stem.isascii():
                continue  # no text of ASCII holds it
            words = stem.translate(_APART).split()
            (self._by_start[words[0][:START]] if words else self._wordless).add(index)
        self._starts = frozenset(self._by_start)

    def maybe_in(self, folded: str) -> Iterable[int]:
        """Return the indexes, in order, of the stems that a word of the text may begin with.

        Stems inside of words are not found. Of a text that is not all ASCII, it is every stem.
        """
        if not folded.isascii():
            return self._all
        words = set(folded.translate(_APART).split())
        starts = self._starts.intersection([word[:START] for word in words])
        return sorted(self._wordless.union(*(self._by_start[start] for start in starts)))
