"""What is outside the subset, malformed, too large or without space is refused in clear words."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.local.qdrant.serving import Serving

VECTORS: dict[str, Any] = {"vectors": {"size": 2, "distance": "Dot"}}
ROW: dict[str, Any] = {"id": 1, "vector": [1.0, 2.0], "payload": {}}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory: Path = tmp_path_factory.mktemp("refusing")
    serving = Serving(directory, {"QDRANT_EDGE_MAX_REQUEST_MB": "1"})
    serving.start()
    httpx.put(f"{serving.url}/collections/c", json=VECTORS).raise_for_status()
    yield serving.url
    serving.stop()


def error(answer: httpx.Response) -> str:
    text: str = answer.json()["status"]["error"]
    return text


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/telemetry"),
        ("GET", "/cluster"),
        ("POST", "/collections/c/points/search"),
        ("POST", "/collections/c/points/search/matrix/pairs"),
        ("PUT", "/collections/c/shards"),
        ("POST", "/collections/c/snapshots/upload"),
        ("PATCH", "/collections/c/points"),
        ("GET", "/no/such/route"),
    ],
)
def test_a_route_outside_the_subset_is_not_implemented(url: str, method: str, path: str) -> None:
    answer = httpx.request(method, url + path)

    assert answer.status_code == 501
    assert error(answer).startswith(f"Not in this subset of Qdrant: {method} {path}.")
    assert "hint:" in error(answer)


@pytest.mark.parametrize(
    ("path", "body", "named"),
    [
        ("points/query", {"query": [1.0, 2.0], "lookup_from": {"collection": "d"}}, "lookup_from"),
        ("points/query", {"query": {"text": "a", "model": "m"}, "using": "t"}, "query.model"),
        ("points/query", {"query": {"nearest": {"text": "a"}}}, "inference"),
        ("points/query", {"query": {"formula": {"sum": []}}}, "query.formula"),
        ("points/query", {"query": {"discover": {}}}, "query.discover"),
        ("points/query", {"query": [1.0, 2.0], "shard_key": "k"}, "shard_key"),
        ("points/query", {"prefetch": {"query": [1.0, 2.0], "shard_key": 1}}, "prefetch[0]"),
        ("points/query/groups", {"group_by": "a", "with_lookup": "d"}, "with_lookup"),
        ("points/scroll", {"filter": {"must": {"slice": {}}}}, "filter.must.slice"),
        (
            "points/scroll",
            {"filter": {"must": [{"key": "g", "geo_radius": {}}]}},
            "filter.must[0].geo_radius",
        ),
        ("points/count", {"shard_key": "k"}, "shard_key"),
        ("points/delete", {"points": [1], "filter": {}}, "together"),
    ],
)
def test_a_feature_outside_the_subset_is_named_and_never_ignored(
    url: str, path: str, body: dict[str, Any], named: str
) -> None:
    answer = httpx.post(f"{url}/collections/c/{path}", json=body)

    assert answer.status_code == 501
    assert named in error(answer)


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({**VECTORS, "sharding_method": "custom"}, "sharding_method"),
        ({**VECTORS, "strict_mode_config": {"enabled": True}}, "strict_mode_config"),
        ({"vectors": {**VECTORS["vectors"], "multivector_config": {}}}, "multivector_config"),
    ],
)
def test_settings_outside_the_subset_are_named(url: str, body: dict[str, Any], named: str) -> None:
    answer = httpx.put(f"{url}/collections/other", json=body)

    assert answer.status_code == 501
    assert named in error(answer)


@pytest.mark.parametrize(
    ("path", "body", "named"),
    [
        (
            "points/query",
            {"query": [1.0, 2.0], "limit": "5"},
            "limit is '5', it must be an integer",
        ),
        ("points/query", {"query": [1.0, "x"]}, "query is"),
        ("points/query", {"query": {"fusion": "magic"}}, "query.fusion is 'magic'"),
        ("points/query", {"prefetch": [{"query": [1.0, 2.0]}]}, "A query is needed"),
        ("points/query", {"query": {}}, "`query` is empty"),
        ("points/query", {"query": "not-an-id"}, "not a valid point ID"),
        ("points/scroll", {"limit": 0}, "limit is 0"),
        ("points/scroll", {"filter": {"must": [{"key": "a"}]}}, "must say one of"),
        ("points/scroll", {"filter": {"must": [{"key": "a", "match": {}}]}}, "must say value"),
        ("points/scroll", {"filter": {"must": [{"key": "a..b", "match": {"value": 1}}]}}, "a..b"),
        (
            "points/scroll",
            {"filter": {"must": [{"key": "a", "range": {"gt": "soon"}}]}},
            "RFC 3339",
        ),
        ("points/scroll", {"order_by": "a"}, "index"),
        ("points", {"ids": [-1]}, "not a valid point ID"),
        ("points/delete", {}, "needs `points` or `filter`"),
        ("points/payload", {"payload": [], "points": [1]}, "payload is []"),
    ],
)
def test_a_malformed_request_is_told_where_it_is_wrong(
    url: str, path: str, body: dict[str, Any], named: str
) -> None:
    answer = httpx.post(f"{url}/collections/c/{path}", json=body)

    assert answer.status_code == 400
    assert named in error(answer)


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ({"id": 1}, "missing field `points[0].vector`"),
        ({**ROW, "id": "x"}, "not a valid point ID"),
        ({**ROW, "vector": [[1.0, 2.0]]}, "multi vector"),
        ({**ROW, "vector": {"": {"indices": [1], "values": [1.0]}}}, "is dense"),
        ({**ROW, "payload": "x"}, "points[0].payload is 'x'"),
    ],
)
def test_a_malformed_point_is_told_where_it_is_wrong(
    url: str, row: dict[str, Any], named: str
) -> None:
    answer = httpx.put(f"{url}/collections/c/points", json={"points": [row]})

    assert answer.status_code == 400
    assert named in error(answer)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'"text"', b"\xff"])
def test_a_body_that_is_no_json_object_is_refused(url: str, content: bytes) -> None:
    answer = httpx.post(f"{url}/collections/c/points/query", content=content)

    assert answer.status_code == 400
    assert "Format error in JSON body" in error(answer)


@pytest.mark.parametrize("name", ["a%2Fb", "..", "a*b", "x" * 256])
def test_a_collection_name_that_is_no_name_is_refused(url: str, name: str) -> None:
    answer = httpx.put(f"{url}/collections/{name}", json=VECTORS)

    assert answer.status_code in (400, 501)


@pytest.mark.parametrize("vectors", [{}, {"size": 0, "distance": "Dot"}, {"size": 2}, 5])
def test_vectors_without_size_or_distance_make_no_collection(url: str, vectors: object) -> None:
    answer = httpx.put(f"{url}/collections/other", json={"vectors": vectors})

    assert answer.status_code == 400
    assert httpx.get(f"{url}/collections/other").status_code == 404


def test_a_request_that_is_too_large_is_refused(url: str) -> None:
    answer = httpx.put(f"{url}/collections/c/points", content=b" " * (1 << 20) + b"{}")

    assert answer.status_code == 413
    assert "QDRANT_EDGE_MAX_REQUEST_MB" in error(answer)


def test_unknown_query_parameters_are_refused(url: str) -> None:
    answer = httpx.get(f"{url}/collections/c", params={"colour": "red"})

    assert answer.status_code == 501
    assert "colour" in error(answer)


def test_a_full_disk_refuses_writes_before_anything_is_lost(serving: Serving) -> None:
    serving.start()
    url = f"{serving.url}/collections/c"
    httpx.put(url, json=VECTORS).raise_for_status()
    httpx.put(f"{url}/points", json={"points": [ROW]}).raise_for_status()
    serving.stop()
    serving.settings = {"QDRANT_EDGE_MIN_FREE_MB": str(1 << 30)}
    serving.start()

    refused = httpx.put(f"{url}/points", json={"points": [{**ROW, "id": 2}]})
    created = httpx.put(f"{serving.url}/collections/other", json=VECTORS)
    counted = httpx.post(f"{url}/points/count").json()["result"]["count"]

    assert (refused.status_code, created.status_code) == (507, 507)
    assert "No space left" in error(refused)
    assert "hint: delete points" in error(refused)
    assert counted == 1
