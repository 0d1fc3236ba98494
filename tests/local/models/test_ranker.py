"""The ranker's arithmetic."""

import numpy as np

from local.models.ranker import VectorCache, lexical_scores, logits, words


def test_words_lose_stop_words_and_common_endings() -> None:
    assert words("The pumps are Leaking, is it fixed?") == ["pump", "leak", "fix"]


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
