"""Keys: who may read, who may write, and what is open to everyone."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from qdrant_client import QdrantClient
from qdrant_client.http.exceptions import UnexpectedResponse

from tests.local.qdrant.serving import Serving

FULL, READ_ONLY = "full-key-0123456789", "read-only-key-0123456789"
BODY = {"vectors": {"size": 2, "distance": "Dot"}}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    directory: Path = tmp_path_factory.mktemp("guarded")
    (directory / "full").write_text(f"{FULL}\n")
    (directory / "read-only").write_text(READ_ONLY)
    serving = Serving(
        directory / "storage",
        {
            "QDRANT_EDGE_API_KEY_FILE": str(directory / "full"),
            "QDRANT_EDGE_READ_ONLY_API_KEY_FILE": str(directory / "read-only"),
        },
    )
    serving.start()
    headers = {"api-key": FULL}
    httpx.put(f"{serving.url}/collections/kept", json=BODY, headers=headers).raise_for_status()
    yield serving
    serving.stop()


@pytest.mark.parametrize("path", ["/readyz", "/livez", "/healthz"])
def test_probes_need_no_key(guarded: Serving, path: str) -> None:
    assert httpx.get(guarded.url + path).status_code == 200


@pytest.mark.parametrize("path", ["/", "/metrics", "/collections", "/collections/kept", "/unknown"])
def test_everything_else_needs_a_key(guarded: Serving, path: str) -> None:
    answer = httpx.get(guarded.url + path)

    assert answer.status_code == 401
    assert "Must provide an API key" in answer.json()["status"]["error"]


@pytest.mark.parametrize(
    "headers",
    [
        {"api-key": "wrong"},
        {"api-key": ""},
        {"api-key": FULL + "x"},
        {"authorization": "Bearer wrong"},
    ],
)
def test_a_wrong_key_is_refused(guarded: Serving, headers: dict[str, str]) -> None:
    answer = httpx.get(f"{guarded.url}/collections", headers=headers)

    assert answer.status_code == 401
    assert "Invalid API key" in answer.json()["status"]["error"]


@pytest.mark.parametrize("headers", [{"api-key": FULL}, {"authorization": f"Bearer {FULL}"}])
def test_the_key_is_taken_from_either_header(guarded: Serving, headers: dict[str, str]) -> None:
    assert httpx.get(f"{guarded.url}/collections", headers=headers).status_code == 200


def test_the_read_only_key_reads_and_cannot_write(guarded: Serving) -> None:
    headers = {"api-key": READ_ONLY}
    url = f"{guarded.url}/collections"

    with httpx.Client(headers=headers) as client:
        read = [
            client.get(f"{url}/kept"),
            client.post(f"{url}/kept/points/scroll", json={}),
            client.post(f"{url}/kept/points/query", json={"query": [1.0, 2.0]}),
            client.get(f"{guarded.url}/metrics"),
        ]
        written = [
            client.put(f"{url}/other", json=BODY),
            client.delete(f"{url}/kept"),
            client.put(f"{url}/kept/points", json={"points": []}),
            client.post(f"{url}/kept/points/delete", json={"filter": {}}),
            client.post(f"{url}/kept/snapshots"),
        ]

    assert [answer.status_code for answer in read] == [200] * 4
    assert [answer.status_code for answer in written] == [403] * 5


@pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection")
def test_the_client_sends_its_key(guarded: Serving) -> None:
    # the check is a thread that may outlive its client and this server
    right = QdrantClient(url=guarded.url, api_key=FULL, check_compatibility=False)
    wrong = QdrantClient(url=guarded.url, api_key="wrong", check_compatibility=False)

    assert right.collection_exists("kept")
    with pytest.raises(UnexpectedResponse, match="401"):
        wrong.get_collections()
    right.close()
    wrong.close()
