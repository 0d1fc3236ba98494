"""The question sets as Debian's packages give them: no question can be read in what is indexed."""

import shutil

import pytest

from bench.sets.building import build, leaks
from bench.sets.ranking import chunks

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("apt-get") is None, reason="needs Debian's apt-get"),
]


def test_no_question_stands_in_a_chunk_a_title_or_a_path() -> None:
    built = build("debian-faq")

    asked = [str(each["question"]) for each in built.questions if each["answerable"]]
    cut = {f"{name} {place}": text for place, (name, text) in enumerate(chunks(built))}
    assert len(asked) > 100
    assert len(cut) > 1500
    assert leaks(cut, asked) == []
