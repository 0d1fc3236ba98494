"""The question sets as Debian's packages give them: no question can be read in what is indexed."""

import shutil

import pytest

from bench.sets.building import build, leaks
from pipelines.chunks import chunk_spans
from pipelines.settings import IndexingSettings

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("apt-get") is None, reason="needs Debian's apt-get"),
]
WORDS = IndexingSettings.__dataclass_fields__["chunk_words"].default


def test_no_question_stands_in_a_chunk_a_title_or_a_path() -> None:
    built = build("debian-faq")

    asked = [str(each["question"]) for each in built.questions if each["answerable"]]
    chunks = {
        f"{name} {start}": text[start:end]
        for name, text in built.documents.items()
        for start, end in chunk_spans(text, words=WORDS, overlap=0)
    }
    assert len(asked) > 100
    assert len(chunks) > 1500
    assert leaks(chunks, asked) == []
