"""Text to sentences, as spans of code points."""

import re

Span = tuple[int, int]

# Where a sentence may end: after its mark and before a new start; at a blank line; before a list
# item; around a numbered heading. A single line break is where the page was full.
#
# The pattern begins with a set of characters, for which `re` looks quickly; what was found is
# told apart behind it.
_BOUNDARY = re.compile(
    r"""
      [.!?\u3002\uff01\uff1f\n]
      (?:
        (?<=[.!?]) ["'\u201d\u2019)\]]* \s+ (?= ["'\u201c\u2018(\[]* [A-Z0-9À-ÞΑ-ΩА-Я/•] )
      | (?<=[\u3002\uff01\uff1f])
      | (?<=\n) [^\S\n]* \n \s*
      | (?<=\n) (?= \s* (?: [•◦▪‣*\u2013-] | \d{1,2}[.)] ) \s )
      | (?<=\n) (?= \d+ (?:\.\d+)+ \.? [ ] [A-Z] )
      )
    """,
    re.VERBOSE,
)
HEADING = re.compile(r"\d+(?:\.\d+)+\.? [A-Z][^\n]{0,80}(?=\n|\Z)")
# The same from the last point of its number on: there are fewer points than digits to look at, and
# behind each its own digits only.
_HEADING_END = re.compile(r"\.(?<=\d\.)\d++\.? [A-Z][^\n]{0,80}(?=\n|\Z)")
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|cf|vs|etc|Dr|Mr|Mrs|Ms|No|Fig|St|al|resp|p|pp|ch|sec)\.)$"
)
# Letters of a word that is longer than any of these.
LONGER = 5


def sentence_spans(text: str) -> list[Span]:
    """Return the [start, end) of every sentence, without the white space around it."""
    cuts = [match.span() for match in _BOUNDARY.finditer(text)]
    # None has five letters: seeing them is cheaper than a call for each mark.
    cuts = [
        (at + 1, end)
        for at, end in cuts
        if text[at] != "."
        or (at >= LONGER and text[at - LONGER : at].isalnum())
        or not _abbreviates(text, at, end)
    ]
    if headings := [(match.end(), match.end()) for match in _HEADING_END.finditer(text)]:
        cuts = sorted(cuts + headings)
    cuts.append((len(text), len(text)))
    spans = []
    start = 0
    for end, following in cuts:
        # Most are trimmed already, and a call for each would be a fifth of the time here.
        if start < end and (text[start].isspace() or text[end - 1].isspace()):
            start, end = trim(text, start, end)
        if start < end:
            spans.append((start, end))
        start = following
    return spans


def _abbreviates(text: str, at: int, end: int) -> bool:
    """Say whether the point at `at`, and white space to `end`, are behind an abbreviation."""
    if "\n" in text[at:end]:
        return False
    return _ABBREVIATION.search(text, max(0, at - 11), at + 1) is not None


def trim(text: str, start: int, end: int) -> Span:
    """Return the span without white space at its ends."""
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    return start, end
