"""The ranker's arithmetic."""

import numpy as np
import pytest

from local.models.ranker import (
    VectorCache,
    as_statement,
    hubness,
    lexical_scores,
    logits,
    terms,
    words,
)


def test_words_lose_stop_words_and_common_endings() -> None:
    assert words("The pumps are Leaking, is it fixed?") == ["pump", "leak", "fix"]


def test_a_question_is_embedded_without_its_mark() -> None:
    assert as_statement("Why does it leak? ") == "Why does it leak"
    assert as_statement("?") == "?"


def test_neighbouring_words_are_a_term_too() -> None:
    assert terms("The pump is leaking oil") == ["pump", "leak", "oil", "pump leak", "leak oil"]


def test_a_phrase_scores_more_than_its_words_apart() -> None:
    scores = lexical_scores(
        "pump guarantee", ["guarantee of a new pump", "our pump guarantee runs"]
    )

    assert scores[1] > scores[0] > 0


def test_a_hub_is_what_is_near_to_all_others() -> None:
    corner = np.sqrt(0.5)
    vectors = np.array([[1, 0], [0, 1], [corner, corner]], np.float32)

    scores = hubness(vectors)

    assert scores.argmax() == 2
    assert scores[2] == pytest.approx(corner)


def test_a_passage_alone_is_no_hub() -> None:
    assert hubness(np.array([[1, 0]], np.float32)).tolist() == [0]


def test_of_two_equally_near_passages_the_hub_comes_last() -> None:
    query = np.array([1, 0, 0], np.float32)
    near = np.array([[0.6, 0.8, 0], [0.6, 0, 0.8], [0.1, 0.9, 0.42], [0, 1, 0]], np.float32)

    scores = logits("zebra", ["a", "b", "c", "d"], query, near)

    assert scores[1] > scores[0]


def test_the_best_overlap_scores_one_and_none_scores_zero() -> None:
    scores = lexical_scores("pump guarantee", ["the pump guarantee", "a pump", "honey"])

    assert scores[0] == 1
    assert 0 < scores[1] < 1
    assert scores[2] == 0


def test_without_any_overlap_all_score_zero() -> None:
    assert lexical_scores("zebra", ["pump", "honey"]).tolist() == [0, 0]


def test_passages_without_words_are_no_error() -> None:
    assert lexical_scores("the", ["...", "the"]).tolist() == [0, 0]


def test_overlap_decides_between_like_vectors_only() -> None:
    query = np.array([1, 0], np.float32)
    vectors = np.array([[0.9, 0], [0.9, 0], [0, 1]], np.float32)

    scores = logits("pump", ["honey", "pump", "pump"], query, vectors)

    assert np.argsort(-scores).tolist() == [1, 0, 2]


def test_the_cache_forgets_what_was_not_used_for_longest() -> None:
    cache = VectorCache(size=2)
    keys = [cache.key([number]) for number in range(3)]
    vector = np.zeros(2, np.float32)

    cache.put(keys[0], vector)
    cache.put(keys[1], vector)
    cache.get(keys[0])
    cache.put(keys[2], vector)

    assert [cache.get(key) is not None for key in keys] == [True, False, True]
