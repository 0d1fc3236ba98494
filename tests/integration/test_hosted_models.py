"""Models at somebody else's: a recording double of an OpenAI-compatible API that wants a key."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.fake_qdrant import FakeQdrant
from tests.app.process import AppProcess
from tests.fakes.nim import FakeNim
from tests.integration.test_app_answers import FACT, QUESTION

pytestmark = pytest.mark.integration

THEIR_KEY = "key-of-the-hosted-api"


@pytest.fixture(scope="module")
def hosted() -> Iterator[FakeNim]:
    with FakeNim(api_key=THEIR_KEY) as fake:
        yield fake


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory, hosted: FakeNim) -> Iterator[AppProcess]:
    folder = tmp_path_factory.mktemp("hosted")
    with FakeQdrant() as qdrant:
        process = AppProcess(folder, hosted, qdrant, environment=keys(folder, THEIR_KEY))
        try:
            process.start()
            process.indexed("fox.txt", f"{FACT} It is chased by nobody.".encode())
            yield process
        finally:
            process.stop()


def keys(folder: Path, key: str) -> dict[str, str]:
    """Return the settings of an app whose three roles share one hosted API."""
    (folder / "their-key").write_text(key)
    roles = ("LLM", "EMBEDDING", "RANKING")
    return {f"RAG_{role}_API_KEY_FILE": str(folder / "their-key") for role in roles}


def test_every_role_sends_the_key_and_an_answer_comes_back(
    asked: AppProcess, hosted: FakeNim
) -> None:
    answer = asked.ask(QUESTION)

    assert answer["answer"] == FACT
    sent = {request.path: request.headers["authorization"] for request in hosted.requests}
    assert set(sent.values()) == {f"Bearer {THEIR_KEY}"}
    assert {"/v1/embeddings", "/v1/ranking", "/v1/chat/completions"} <= sent.keys()


@pytest.mark.parametrize(
    ("status", "answered", "said"),
    [
        (402, 502, "wants to be paid first (status 402)"),
        (404, 502, "knows no such model (status 404)"),
        (429, 503, "has too many requests from us (status 429)"),
    ],
)
def test_a_refusal_of_the_api_is_said_in_words(
    asked: AppProcess, hosted: FakeNim, status: int, answered: int, said: str
) -> None:
    hosted.fail_next(status, times=20, path="/chat/completions")
    try:
        with asked.client() as client:
            response = client.post("/query/run", json={"question": QUESTION})
    finally:
        hosted._faults.clear()

    assert response.status_code == answered
    assert response.json()["detail"] == f"generation failed: llm {said}"
    assert (response.headers.get("retry-after") is not None) == (answered == 503)


@pytest.mark.parametrize("key", ["", "another-key"], ids=["no key", "wrong key"])
def test_a_key_that_does_not_open_is_told_by_readyz_and_by_every_answer(
    tmp_path: Path, hosted: FakeNim, qdrant: FakeQdrant, key: str
) -> None:
    given = keys(tmp_path, key) if key else {}
    process = AppProcess(tmp_path, hosted, qdrant, environment=given).start()
    try:
        with process.client() as client:
            ready = client.get("/readyz")
            response = client.post("/query/run", json={"question": QUESTION})
    finally:
        process.stop()

    missing = {each["name"]: each["reason"] for each in ready.json()["missing"]}
    assert missing["llm"] == "refuses our key (401)"
    assert response.json()["detail"] == "embedding failed: embedding refused our key (status 401)"
    assert THEIR_KEY not in response.text + "".join(process.output)
