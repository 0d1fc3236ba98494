"""The question sets as Debian's packages give them, and what the local models reach on them.

No question can be read in what is indexed. The figures are held by vectors that are shipped with
the sets, since embedding takes minutes; texts that a change has cut otherwise are embedded here.
"""

import shutil
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from bench.sets.building import Set, build, leaks
from bench.sets.finding import chunks
from bench.sets.ranking import GATES, embedder, measure
from bench.sets.supporting import EXACT, read, standing
from bench.sets.vectors import Vectors, shipped

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("apt-get") is None, reason="needs Debian's apt-get"),
]

# A byte a number and other CPUs: the cosine to a vector made here.
SAME = 0.998
# Of the whole sets; half A was fitted to 0.08.
MOST_FALSE_REFUSALS = 0.10
LEAST_FOREIGN_REFUSED = {"python-faq": 0.85, "debian-faq": 0.80}
CHECKED = 12


@cache
def a_set(name: str) -> Set:
    return build(name)


def test_no_question_stands_in_a_chunk_a_title_or_a_path() -> None:
    built = a_set("debian-faq")

    asked = [str(each["question"]) for each in built.questions if each["answerable"]]
    cut = {f"{each.document} {place}": each.text for place, each in enumerate(chunks(built))}
    assert len(asked) > 100
    assert len(cut) > 1500
    assert leaks(cut, asked) == []


@pytest.mark.parametrize("name", sorted(GATES))
def test_the_local_models_rank_and_refuse_as_well_as_was_measured(
    name: str, tmp_path: Path
) -> None:
    vectors = Vectors(embedder(), tmp_path / "vectors.npz")
    vectors.known |= shipped(name)

    figures = measure(a_set(name), vectors)

    assert figures["ndcg@10_all"].value >= GATES[name]
    assert figures["let_through_all"].value >= 1 - MOST_FALSE_REFUSALS
    assert figures["refused (something else)_all"].value >= LEAST_FOREIGN_REFUSED[name]


@pytest.mark.parametrize("name", sorted(GATES))
def test_the_shipped_vectors_are_those_of_the_embedding_model(name: str, tmp_path: Path) -> None:
    texts = [each.text for each in chunks(a_set(name))[:: 1 + 1500 // CHECKED]]
    kept = Vectors(embedder(), tmp_path / "kept.npz")
    kept.known |= shipped(name)
    count = len(kept.known)

    kept_vectors = kept.of(texts)

    assert len(kept.known) == count, "texts are cut otherwise: ship the vectors again"
    again = Vectors(embedder(), tmp_path / "again.npz").of(texts)
    assert np.sum(kept_vectors * again, axis=1).min() > SAME


def test_each_quote_of_the_labelled_answers_stands_in_its_span() -> None:
    lines = read()

    found = standing(lines, {each["set"]: a_set(each["set"]) for each in lines})

    assert found[EXACT].value == 1.0
