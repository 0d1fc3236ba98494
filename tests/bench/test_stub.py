"""The stub services answer in the shapes of the NIM routes and of Qdrant's REST."""

import base64
import struct

import orjson
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from qdrant_client.http import models

from bench.engine import content
from bench.engine.stub import Stub, completion, stream_pieces


@pytest.fixture
def stub() -> Stub:
    return Stub()


def ask(stub: Stub, path: str, **body: object) -> dict[str, object]:
    answer: dict[str, object] = orjson.loads(stub.reply("POST", path, orjson.dumps(body)).body)
    return answer


def test_base64_embeddings_hold_the_same_vector_as_floats(stub: Stub) -> None:
    floats = orjson.loads(stub.reply("POST", "/v1/embeddings", b'{"input":["a"]}').body)
    body = b'{"input":["a","b"],"encoding_format":"base64"}'
    encoded = orjson.loads(stub.reply("POST", "/v1/embeddings", body).body)

    raw = base64.b64decode(encoded["data"][1]["embedding"])
    assert floats["data"][0]["embedding"] == content.vector()
    assert struct.unpack(f"<{content.DIMENSION}f", raw) == pytest.approx(content.vector())
    assert [entry["index"] for entry in encoded["data"]] == [0, 1]


def test_a_search_gives_as_many_points_as_asked_for_in_qdrants_own_model(stub: Stub) -> None:
    found = ask(stub, "/collections/documents/points/query", query=[0.1], limit=20)

    response = models.QueryResponse.model_validate(found["result"])
    assert len(response.points) == 20
    assert response.points[0].payload is not None
    assert response.points[0].payload["content"].startswith(content.ANSWER)
    assert [point.score for point in response.points] == sorted(
        (point.score for point in response.points), reverse=True
    )


def test_a_collection_describes_itself_in_qdrants_own_model(stub: Stub) -> None:
    answer = orjson.loads(stub.reply("GET", "/collections/documents", b"").body)

    info = models.CollectionInfo.model_validate(answer["result"])
    assert isinstance(info.config.params.vectors, models.VectorParams)
    assert info.config.params.vectors.size == content.DIMENSION


def test_the_store_knows_no_alias_in_qdrants_own_model(stub: Stub) -> None:
    answer = orjson.loads(stub.reply("GET", "/aliases", b"").body)

    assert models.CollectionsAliasesResponse.model_validate(answer["result"]).aliases == []


def test_a_ranking_has_every_passage_once_best_first(stub: Stub) -> None:
    answer = ask(stub, "/v1/ranking", query={"text": "?"}, passages=[{"text": "a"}] * 3)

    rankings = answer["rankings"]
    assert isinstance(rankings, list)
    assert [each["index"] for each in rankings] == [0, 1, 2]
    assert rankings[0]["logit"] > rankings[2]["logit"]


def test_a_completion_is_openais(stub: Stub) -> None:
    parsed = ChatCompletion.model_validate_json(completion())

    assert parsed.choices[0].message.content == content.ANSWER


@pytest.mark.parametrize("usage", [True, False])
def test_a_stream_is_the_same_answer_in_fifty_pieces(usage: bool) -> None:
    pieces = stream_pieces(usage=usage)

    *events, done = b"".join(pieces).decode().strip().split("\n\n")
    chunks = [ChatCompletionChunk.model_validate_json(event[6:]) for event in events]
    said = "".join(each.choices[0].delta.content or "" for each in chunks if each.choices)
    assert len(pieces) == content.TOKENS
    assert said == content.ANSWER
    assert done == "data: [DONE]"
    assert (chunks[-1].usage is not None) == usage


def test_what_is_asked_to_fail_fails_about_as_often_and_only_at_models(stub: Stub) -> None:
    stub.reply("POST", "/stub/failing", b"0.1")

    replies = [stub.reply("POST", "/v1/chat/completions", b"{}").status for _ in range(1000)]
    searches = [
        stub.reply("POST", "/collections/documents/points/query", b'{"limit":1}').status
        for _ in range(100)
    ]

    assert 60 < replies.count(503) < 140
    assert set(searches) == {200}


def test_it_counts_points_and_records_what_it_is_told_to(stub: Stub) -> None:
    stub.reply("POST", "/stub/record", b"on")
    body = orjson.dumps({"points": [{"id": 1, "vector": [0.1], "payload": {}}] * 3})
    stub.reply("PUT", "/collections/documents/points?wait=true", body)

    recorded = orjson.loads(stub.reply("GET", "/stub/recorded", b"").body)
    assert stub.counts["points"] == 3
    assert recorded[0]["path"] == "/collections/documents/points"
    assert len(recorded[0]["body"]["points"]) == 3


def test_the_answer_stands_in_the_first_passage_and_ends_as_no_other_does() -> None:
    first, *others = content.passages()

    assert content.ANSWER in first.text
    assert content.ANSWER.endswith(content.LAST_WORD)
    assert not any(content.LAST_WORD in other.text for other in others)
    assert all(900 <= len(each.text) <= content.PASSAGE_CHARACTERS for each in [first, *others])
