"""What clients of an embedding NIM rely on."""

import base64

import numpy as np
import pytest

from tests.contract.nim.conftest import Nim

pytestmark = pytest.mark.integration
LONG = "pump " * 12_000


def test_a_list_of_texts_gives_one_vector_each_in_order(nim: Nim, embedding: str) -> None:
    texts = ["The pump has a leak.", "Paris is in France.", "The pump is leaking."]

    answer = nim.post(
        "/embeddings", {"model": embedding, "input": texts, "input_type": "passage"}
    ).json()

    vectors = np.array([item["embedding"] for item in answer["data"]])
    likeness = vectors @ vectors.T
    assert answer["object"] == "list"
    assert answer["model"]
    assert [item["index"] for item in answer["data"]] == [0, 1, 2]
    assert {item["object"] for item in answer["data"]} == {"embedding"}
    assert likeness[0, 2] > likeness[0, 1]
    assert answer["usage"]["prompt_tokens"] > 3
    assert answer["usage"]["total_tokens"] == answer["usage"]["prompt_tokens"]


def test_a_bare_text_is_a_list_of_one(nim: Nim, embedding: str) -> None:
    answer = nim.post("/embeddings", {"model": embedding, "input": "a", "input_type": "query"})

    assert answer.status_code == 200
    assert len(answer.json()["data"]) == 1


def test_base64_holds_the_same_vector_as_little_endian_floats(nim: Nim, embedding: str) -> None:
    body = {"model": embedding, "input": "The pump has a leak.", "input_type": "query"}

    floats = nim.post("/embeddings", {**body, "encoding_format": "float"}).json()
    packed = nim.post("/embeddings", {**body, "encoding_format": "base64"}).json()

    raw = base64.b64decode(packed["data"][0]["embedding"])
    found = np.frombuffer(raw, dtype="<f4")
    np.testing.assert_allclose(found, floats["data"][0]["embedding"], atol=1e-3)


def test_a_vector_does_not_depend_on_its_neighbours(nim: Nim, embedding: str) -> None:
    text = "The guarantee lasts 24 months."
    others = ["short", "a much longer passage about something else entirely " * 5]
    body = {"model": embedding, "input_type": "passage"}

    alone = nim.post("/embeddings", {**body, "input": text}).json()["data"][0]["embedding"]
    among = nim.post("/embeddings", {**body, "input": [others[0], text, others[1]]}).json()

    assert np.dot(alone, among["data"][1]["embedding"]) > 0.999


def test_an_asymmetric_model_asks_for_the_input_type(nim: Nim, embedding: str) -> None:
    answer = nim.post("/embeddings", {"model": embedding, "input": "a"})

    assert answer.status_code in (400, 422)
    assert "input_type" in answer.text


@pytest.mark.parametrize("truncate", [{}, {"truncate": "NONE"}])
def test_a_text_that_is_too_long_is_refused(
    nim: Nim, embedding: str, truncate: dict[str, str]
) -> None:
    body = {"model": embedding, "input": LONG, "input_type": "passage", **truncate}

    answer = nim.post("/embeddings", body)

    assert answer.status_code == 400
    assert "token" in answer.text


@pytest.mark.parametrize("end", ["START", "END"])
def test_truncation_drops_the_named_end(nim: Nim, embedding: str, end: str) -> None:
    first, last = "Bees make honey. ", " The treaty was signed in Vienna."
    body = {"model": embedding, "input_type": "passage", "truncate": end}
    texts = [first + LONG + last, first, last]

    answer = nim.post("/embeddings", {**body, "input": texts}).json()

    whole, start, finish = (np.array(item["embedding"]) for item in answer["data"])
    kept, dropped = (finish, start) if end == "START" else (start, finish)
    assert whole @ kept > whole @ dropped


@pytest.mark.parametrize(
    "change",
    [
        {"input": []},
        {"input": [""]},
        {"input": 7},
        {"input_type": "question"},
        {"truncate": "MIDDLE"},
        {"encoding_format": "hex"},
        {"model": None},
    ],
)
def test_a_request_of_the_wrong_shape_is_refused(
    nim: Nim, embedding: str, change: dict[str, object]
) -> None:
    body = {"model": embedding, "input": "a", "input_type": "query"}

    answer = nim.post("/embeddings", {**body, **change})

    assert answer.status_code in (400, 422)


def test_dimensions_that_the_model_has_not_are_refused(nim: Nim, embedding: str) -> None:
    body = {"model": embedding, "input": "a", "input_type": "query", "dimensions": 7}

    answer = nim.post("/embeddings", body)

    assert answer.status_code in (400, 422)


def test_an_unknown_model_is_not_found(nim: Nim, embedding: str) -> None:
    answer = nim.post("/embeddings", {"model": "no/such", "input": "a", "input_type": "query"})

    assert answer.status_code == 404
    assert "no/such" in answer.text
