"""Text to sentences, as spans of code points."""

import re
from itertools import pairwise

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
# The same from its first point on: there are fewer points than digits to look at.
_HEADING_END = re.compile(r"\.(?<=\d\.)\d+(?:\.\d+)*\.? [A-Z][^\n]{0,80}(?=\n|\Z)")
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|cf|vs|etc|Dr|Mr|Mrs|Ms|No|Fig|St|al|resp|p|pp|ch|sec)\.)$"
)


def sentence_spans(text: str) -> list[Span]:
    """Return the [start, end) of every sentence, without the white space around it."""
    cuts = [(0, 0)]
    for match in _BOUNDARY.finditer(text):
        mark = match.start() + 1
        stops = text[mark - 1] != "." or "\n" in match.group()
        if stops or not _ABBREVIATION.search(text, max(0, mark - 12), mark):
            cuts.append((mark, match.end()))
    cuts += [(match.end(), match.end()) for match in _HEADING_END.finditer(text)]
    cuts.append((len(text), len(text)))
    cuts.sort()
    spans = []
    for (_, start), (end, _) in pairwise(cuts):
        trimmed = trim(text, start, end)
        if trimmed[0] < trimmed[1]:
            spans.append(trimmed)
    return spans


def trim(text: str, start: int, end: int) -> Span:
    """Return the span without white space at its ends."""
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    return start, end
