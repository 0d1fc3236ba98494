"""What clients of a ranking NIM rely on."""

import pytest

from tests.contract.nim.conftest import Nim

pytestmark = pytest.mark.integration
PASSAGES = [
    {"text": "Bees make honey out of nectar."},
    {"text": "The guarantee of the pump ends after 24 months."},
    {"text": "The pump is made of steel."},
]


def test_passages_come_back_best_first(nim: Nim, ranking: str) -> None:
    query = {"text": "How long is the guarantee of the pump?"}

    answer = nim.post("/ranking", {"model": ranking, "query": query, "passages": PASSAGES})

    rankings = answer.json()["rankings"]
    logits = [item["logit"] for item in rankings]
    assert [item["index"] for item in rankings] == [1, 2, 0]
    assert logits == sorted(logits, reverse=True)


def test_the_same_question_twice_gives_the_same_order(nim: Nim, ranking: str) -> None:
    body = {"model": ranking, "query": {"text": "steel pump"}, "passages": PASSAGES}

    first, second = nim.post("/ranking", body).json(), nim.post("/ranking", body).json()

    assert first == second


def test_equal_passages_are_all_ranked(nim: Nim, ranking: str) -> None:
    body = {"model": ranking, "query": {"text": "bees"}, "passages": [PASSAGES[0]] * 3}

    rankings = nim.post("/ranking", body).json()["rankings"]

    assert sorted(item["index"] for item in rankings) == [0, 1, 2]


def test_a_long_passage_is_refused_or_cut_as_asked(nim: Nim, ranking: str) -> None:
    long = {"text": "pump " * 12_000}
    body = {"model": ranking, "query": {"text": "pump"}, "passages": [long]}

    refused = nim.post("/ranking", {**body, "truncate": "NONE"})
    cut = nim.post("/ranking", {**body, "truncate": "END"})

    assert refused.status_code == 400
    assert cut.status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        {"query": "a bare text"},
        {"query": {"text": ""}},
        {"passages": []},
        {"passages": ["a bare text"]},
        {"passages": None},
    ],
)
def test_a_request_of_the_wrong_shape_is_refused(
    nim: Nim, ranking: str, change: dict[str, object]
) -> None:
    body = {"model": ranking, "query": {"text": "a"}, "passages": PASSAGES}

    answer = nim.post("/ranking", {**body, **change})

    assert answer.status_code in (400, 422)


def test_an_unknown_model_is_not_found(nim: Nim, ranking: str) -> None:
    body = {"model": "no/such", "query": {"text": "a"}, "passages": PASSAGES}

    assert nim.post("/ranking", body).status_code == 404
