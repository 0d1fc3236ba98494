"""Snapshots bring a collection back, and open no other file of the machine."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.local.qdrant.serving import Serving

ROWS = [{"id": i, "vector": [1.0, float(i)], "payload": {"n": i}} for i in range(50)]


@pytest.fixture
def client(serving: Serving) -> Iterator[httpx.Client]:
    serving.start()
    with httpx.Client(base_url=f"{serving.url}/collections", timeout=30) as client:
        body = {"vectors": {"size": 2, "distance": "Dot"}}
        client.put("/c", json=body).raise_for_status()
        client.put("/c/points", json={"points": ROWS}).raise_for_status()
        index = {"field_name": "n", "field_schema": "integer"}
        client.put("/c/index", json=index).raise_for_status()
        yield client


def count(client: httpx.Client, name: str) -> int:
    found: int = client.post(f"/{name}/points/count").json()["result"]["count"]
    return found


def made(client: httpx.Client) -> str:
    name: str = client.post("/c/snapshots").raise_for_status().json()["result"]["name"]
    return name


def location(serving: Serving, name: str) -> str:
    return f"file://{serving.directory}/snapshots/c/{name}"


def test_a_collection_goes_back_to_its_snapshot_and_survives_a_kill(
    serving: Serving, client: httpx.Client
) -> None:
    name = made(client)
    client.post("/c/points/delete", json={"filter": {}}).raise_for_status()
    emptied = count(client, "c")

    recovered = client.put("/c/snapshots/recover", json={"location": location(serving, name)})
    serving.kill()
    serving.start()

    assert (emptied, recovered.status_code) == (0, 200)
    assert count(client, "c") == len(ROWS)
    assert "n" in client.get("/c").json()["result"]["payload_schema"]


def test_a_snapshot_makes_a_new_collection(serving: Serving, client: httpx.Client) -> None:
    body = {"location": location(serving, made(client))}

    client.put("/copy/snapshots/recover", json=body).raise_for_status()
    client.put("/copy/points", json={"points": [{**ROWS[0], "id": 999}]}).raise_for_status()

    assert (count(client, "c"), count(client, "copy")) == (50, 51)


def test_a_download_has_the_bytes_of_its_checksum(client: httpx.Client) -> None:
    name = made(client)
    described = client.get("/c/snapshots").json()["result"][0]

    content = client.get(f"/c/snapshots/{name}").content

    assert hashlib.sha256(content).hexdigest() == described["checksum"]
    assert len(content) == described["size"]


def test_a_wrong_checksum_changes_nothing(serving: Serving, client: httpx.Client) -> None:
    body = {"location": location(serving, made(client)), "checksum": "0" * 64}

    refused = client.put("/c/snapshots/recover", json=body)

    assert refused.status_code == 400
    assert "checksum mismatch" in refused.text
    assert count(client, "c") == len(ROWS)


def test_a_cut_snapshot_is_refused_and_leaves_nothing(
    serving: Serving, client: httpx.Client
) -> None:
    name = made(client)
    path = serving.directory / "snapshots" / "c" / name
    path.write_bytes(path.read_bytes()[:20_000])
    before = sorted((serving.directory / "shards").iterdir())

    refused = client.put("/c/snapshots/recover", json={"location": location(serving, name)})

    assert refused.status_code == 400
    assert "is damaged" in refused.text
    assert sorted((serving.directory / "shards").iterdir()) == before
    assert count(client, "c") == len(ROWS)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("file:///etc/passwd", 403),
        ("{root}/snapshots/../catalogue.json", 403),
        ("http://127.0.0.1:1/x.snapshot", 501),
        ("{root}/snapshots/c/never.snapshot", 404),
    ],
)
def test_no_other_file_is_recovered_from(
    serving: Serving, client: httpx.Client, path: str, status: int
) -> None:
    body = {"location": path.format(root=f"file://{serving.directory}")}

    refused = client.put("/c/snapshots/recover", json=body)

    assert refused.status_code == status


@pytest.mark.parametrize("name", ["..%2F..%2Fcatalogue.json", "never.snapshot", "catalogue.json"])
def test_no_other_file_is_downloaded(client: httpx.Client, name: str) -> None:
    assert client.get(f"/c/snapshots/{name}").status_code in (404, 501)


def test_the_snapshots_go_with_their_collection(serving: Serving, client: httpx.Client) -> None:
    made(client)

    client.delete("/c").raise_for_status()

    assert not Path(serving.directory / "snapshots" / "c").exists()
