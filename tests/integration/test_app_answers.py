"""Questions over real HTTP: our own shape, the seed's, and OpenAI's with its unmodified client."""

import json
import threading
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.app.fake_qdrant import FakeQdrant
from tests.app.hanging_up import seconds_to_cut
from tests.app.process import KEY, AppProcess, until
from tests.fakes.nim import FakeNim
from tests.integration.conftest import Maker

pytestmark = pytest.mark.integration

QUESTION = "What is the capital of Freedonia?"
FACT = "The capital of Freedonia is Marxville."


@pytest.fixture(scope="module", params=["fast", "stock"])
def app(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    nim: FakeNim,
    qdrant: FakeQdrant,
) -> Iterator[AppProcess]:
    directory = tmp_path_factory.mktemp(request.param)
    process = AppProcess(directory, nim, qdrant, environment={"RAG_ENGINE": request.param})
    try:
        yield process.start()
    finally:
        process.stop()


@pytest.fixture(scope="module")
def asked(app: AppProcess) -> AppProcess:
    app.indexed("fox.txt", f"The fox jumps over the dog. {FACT}".encode())
    app.indexed("cats.txt", b"The capital of Catland is Whiskerton.", collection="cats")
    return app


@pytest.fixture
def client(asked: AppProcess) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{asked.url}/v1", api_key=KEY, max_retries=0) as made:
        yield made


def events(text: str) -> list[str]:
    return [line.removeprefix("data: ") for line in text.splitlines() if line]


def test_an_answer_has_every_member_that_was_promised(asked: AppProcess) -> None:
    answer = asked.ask(QUESTION)

    assert set(answer) == {
        "answer", "answerable", "citations", "timings", "model", "collection", "degraded",
    }  # fmt: skip
    assert (answer["answer"], answer["answerable"]) == (FACT, True)
    assert answer["collection"] == "documents"


@pytest.mark.parametrize(
    "body",
    [
        {"query": QUESTION},
        {"question": QUESTION},
        {"text_embedder": {"text": QUESTION}, "prompt_builder": {"question": QUESTION}},
        {"text_embedder": {"text": QUESTION}},
    ],
)
def test_the_seeds_route_takes_every_shape(asked: AppProcess, body: dict[str, object]) -> None:
    with asked.client() as client:
        response = client.post("/rag", json=body)

    assert response.json()["answer"] == FACT


@pytest.mark.parametrize("path", ["/query/run", "/rag"])
def test_a_stream_is_deltas_then_the_answer_then_done(asked: AppProcess, path: str) -> None:
    with asked.client() as client:
        response = client.post(path, json={"question": QUESTION, "stream": True})

    assert response.headers["content-type"].startswith("text/event-stream")
    *parts, last = events(response.text)
    decoded = [json.loads(part) for part in parts]
    assert last == "[DONE]"
    assert (
        "".join(part["delta"] for part in decoded[:-1]) == decoded[-1]["answer"]["answer"] == FACT
    )


def test_filters_and_history_reach_the_pipeline(asked: AppProcess) -> None:
    elsewhere = asked.ask(QUESTION, filters={"document": "nothing.txt"})
    history = [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": FACT}]
    followed = asked.ask("And what is it called?", history=history)

    assert (elsewhere["answerable"], elsewhere["citations"]) == (False, [])
    assert "Marxville" in str(followed["answer"])


BOTH = ["documents", "cats"]


def test_several_collections_are_asked_at_once(asked: AppProcess, client: openai.OpenAI) -> None:
    of_cats = asked.ask("What is the capital of Catland?", collections=BOTH)
    of_men = asked.ask(QUESTION, collections=[*BOTH, "cats"])
    completion = client.chat.completions.create(
        model="stackyard",
        messages=[{"role": "user", "content": "What is the capital of Catland?"}],
        extra_body={"collections": BOTH},
    )

    cited: Any = of_cats["citations"]
    (citation,) = cited
    assert "Whiskerton" in str(of_cats["answer"])
    assert (citation["collection"], citation["document"]) == ("cats", "cats.txt")
    assert (of_men["answer"], of_men["collection"]) == (FACT, "cats,documents")
    assert "Whiskerton" in str(completion.choices[0].message.content)


def test_a_filter_holds_in_every_collection_that_is_asked(asked: AppProcess) -> None:
    body = {"query": "capital", "collections": BOTH}
    with asked.client() as client:
        every = client.post("/v1/search", json=body).json()
        one = client.post("/v1/search", json={**body, "filters": {"document": "cats.txt"}}).json()
        refused = client.post("/v1/search", json={**body, "filters": {"span": [0, 1]}})

    assert {hit["collection"] for hit in every["hits"]} == set(BOTH)
    assert {hit["document"] for hit in one["hits"]} == {"cats.txt"}
    assert refused.status_code == 422


@pytest.mark.parametrize(
    ("members", "status"),
    [
        ({"collections": ["documents", "nowhere"]}, 404),
        ({"collections": []}, 422),
        ({"collections": ["documents"], "collection": "cats"}, 422),
        ({"collections": ["a"] * 9}, 422),
    ],
)
def test_collections_that_cannot_be_asked_are_refused(
    asked: AppProcess, members: dict[str, object], status: int
) -> None:
    with asked.client() as client:
        response = client.post("/query/run", json={"question": QUESTION, **members})

    assert response.status_code == status


def test_search_gives_passages_without_the_language_model(asked: AppProcess, nim: FakeNim) -> None:
    before = len(nim.posts("/chat/completions"))

    with asked.client() as client:
        found = client.post("/v1/search", json={"query": QUESTION, "top_k": 1}).json()

    (hit,) = found["hits"]
    assert (hit["document"], hit["page"]) == ("fox.txt", 1)
    assert FACT in hit["text"]
    assert len(nim.posts("/chat/completions")) == before


def test_the_openai_client_gets_an_answer_with_usage_and_citations(client: openai.OpenAI) -> None:
    completion = client.chat.completions.create(
        model="stackyard", messages=[{"role": "user", "content": QUESTION}]
    )

    message = completion.choices[0].message
    assert message.content == FACT
    assert completion.usage is not None
    assert completion.usage.completion_tokens == 6
    assert message.model_extra is not None
    assert message.model_extra["citations"][0]["document"] == "fox.txt"


def test_the_openai_client_streams_with_usage_and_citations(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model="documents",
        messages=[{"role": "user", "content": [{"type": "text", "text": QUESTION}]}],
        stream=True,
        stream_options={"include_usage": True},
    )

    chunks = list(stream)

    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    *_, last, usage = chunks
    assert text == FACT
    assert last.choices[0].finish_reason == "stop"
    assert last.model_extra is not None
    assert last.model_extra["citations"][0]["quote"] == FACT
    assert usage.usage is not None
    assert usage.usage.total_tokens == usage.usage.prompt_tokens + 6


def test_a_stream_without_usage_asked_has_none_and_ends_in_done(asked: AppProcess) -> None:
    body = {"messages": [{"role": "user", "content": QUESTION}], "stream": True}

    with asked.client() as client:
        lines = events(client.post("/v1/chat/completions", json=body).text)

    assert lines[-1] == "[DONE]"
    assert all("usage" not in json.loads(line) for line in lines[:-1])


def test_the_models_are_the_collections(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["stackyard", "cats", "documents"]
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(
            model="gpt-4", messages=[{"role": "user", "content": QUESTION}]
        )


@pytest.mark.parametrize(
    ("path", "members"),
    [
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": QUESTION}]}),
        ("/query/run", {"question": QUESTION}),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_a_caller_who_hangs_up_stops_the_model_within_a_second(
    asked: AppProcess, nim: FakeNim, path: str, members: dict[str, object], stream: bool
) -> None:
    assert seconds_to_cut(asked, nim, path, {**members, "stream": stream}) < 1.0


@pytest.mark.parametrize(
    ("status", "path", "answered", "problem", "stage"),
    [
        (500, "/chat/completions", 502, "backend-error", "generation"),
        (401, "/chat/completions", 502, "backend-error", "generation"),
        (503, "/embeddings", 503, "backend-unavailable", "embedding"),
        (400, "/ranking", 502, "backend-error", "ranking"),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_a_failing_back_end_is_named_by_its_stage(
    asked: AppProcess,
    nim: FakeNim,
    status: int,
    path: str,
    answered: int,
    problem: str,
    stage: str,
    stream: bool,
) -> None:
    nim.fail_next(status, times=20, path=path)
    try:
        with asked.client() as client:
            response = client.post("/query/run", json={"question": QUESTION, "stream": stream})
    finally:
        nim._faults.clear()

    document = response.json()
    assert response.status_code == document["status"] == answered
    assert document["type"] == f"urn:stackyard:problem:{problem}"
    assert document["stage"] == stage
    assert "SECRET-BODY" not in response.text


def test_without_the_ranker_answers_and_search_go_on_and_say_so(
    asked: AppProcess, nim: FakeNim
) -> None:
    chat = {"messages": [{"role": "user", "content": QUESTION}]}
    nim.fail_next(503, times=100, path="/ranking")
    try:
        answer = asked.ask(QUESTION)
        with asked.client() as client:
            found = client.post("/v1/search", json={"query": QUESTION}).json()
            completion = client.post("/v1/chat/completions", json=chat).json()
    finally:
        nim._faults.clear()
    with asked.client() as client:
        metrics = client.get("/metrics").text

    assert (answer["answer"], answer["degraded"]) == (FACT, ["ranking"])
    assert (found["hits"][0]["document"], found["degraded"]) == ("fox.txt", ["ranking"])
    assert completion["choices"][0]["message"]["degraded"] == ["ranking"]
    assert 'rag_answers_degraded_total{stage="ranking"} 2' in metrics
    assert asked.ask(QUESTION)["degraded"] == []


def test_without_the_language_model_search_goes_on(asked: AppProcess, nim: FakeNim) -> None:
    nim.fail_next(503, times=100, path="/chat/completions")
    try:
        with asked.client() as client:
            refused = client.post("/query/run", json={"question": QUESTION})
            found = client.post("/v1/search", json={"query": QUESTION})
    finally:
        nim._faults.clear()

    assert (refused.status_code, refused.json()["stage"]) == (503, "generation")
    assert refused.headers["retry-after"] == "5"
    assert found.json()["hits"][0]["document"] == "fox.txt"


BODIES = [
    ("/query/run", b'{"question": "", "stream": 3, "history": [{"role": "x"}]}'),
    ("/query/run", b""),
    ("/query/run", b'{"collection": "c"}'),
    ("/query/run", b'{"question": "q", "filters": {"document": []}}'),
    ("/rag", b'{"prompt_builder": 7}'),
    ("/rag", b"null"),
    ("/v1/chat/completions", b'{"messages": [{"role": "user"}, {"role": "nobody"}]}'),
    ("/v1/chat/completions", b'{"messages": [{"role": "system", "content": "s"}]}'),
]


def test_in_front_of_the_framework_a_body_is_refused_as_behind_it(
    asked: AppProcess, refusals: dict[str, list[object]]
) -> None:
    with asked.client() as client:
        for path, body in BODIES:
            for kind in ("application/json", "text/plain"):
                response = client.post(path, content=body, headers={"Content-Type": kind})
                document = response.json()
                # Pydantic says `object` of JSON and `dictionary` of what was parsed before.
                for error in document.get("errors", []):
                    error["reason"] = error["reason"] and "given"
                refused = (path, body, kind, response.status_code, document)
                refusals.setdefault(asked.environment["RAG_ENGINE"], []).append(refused)

    assert all(each == refusals["fast"] for each in refusals.values())


@pytest.fixture(scope="session")
def refusals() -> dict[str, list[object]]:
    return {}


def test_a_missing_store_is_told_and_found_again(make_app: Maker, nim: FakeNim) -> None:
    with FakeQdrant() as qdrant:
        app = make_app(environment={"RAG_QDRANT_URL": qdrant.url})
        app.indexed("fox.txt", FACT.encode())
        qdrant.status = 503
        with app.client() as client:
            missing = client.post("/query/run", json={"question": QUESTION})
        qdrant.status = 200
        found = app.ask(QUESTION)

        app.stop()

    assert (missing.status_code, missing.json()["stage"]) == (503, "retrieval")
    assert missing.headers["retry-after"] == "5"
    assert found["answer"] == FACT


def test_sigterm_lets_a_running_answer_finish(make_app: Maker, nim: FakeNim) -> None:
    app = make_app()
    app.indexed("fox.txt", FACT.encode())
    answers: list[dict[str, object]] = []
    nim.token_delay = 0.3
    before = len(nim.posts("/chat/completions"))
    try:
        thread = threading.Thread(target=lambda: answers.append(app.ask(QUESTION)))
        thread.start()
        until(lambda: len(nim.posts("/chat/completions")) > before)
        code = app.stop()
        thread.join()
    finally:
        nim.token_delay = 0.0

    assert code == 0
    assert answers[0]["answer"] == FACT
