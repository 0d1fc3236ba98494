"""Stems are looked for by the beginnings of words, and none is missed that stands at one."""

import re

from hypothesis import given
from hypothesis import strategies as st

from pipelines.reading.injection import _RULES
from pipelines.reading.stems import Stems

STEMS = [stem for _, stem in _RULES]
PIECES = [*STEMS, "the ", "a turbine", "x", "_", "7", "\n", ". ", "(", '"', "</", "ä"]


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_no_stem_that_begins_a_word_is_missed(text: str) -> None:
    maybe = set(Stems(STEMS).maybe_in(text))

    for index, stem in enumerate(STEMS):
        if re.search(rf"(?<![a-z]){re.escape(stem)}", text):
            assert index in maybe, (stem, text)


def test_most_stems_are_ruled_out_for_a_page_of_a_manual() -> None:
    page = "each brass gauge of the turbine station shows the water pressure on a dial beside it"

    assert len(list(Stems(STEMS).maybe_in(page))) < len(STEMS) / 5
