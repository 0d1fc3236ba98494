"""The server around fake engines: queue, limits, faults, hang-ups, roles."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import httpx
import pytest

from local.models.settings import Settings
from tests.local.models.fakes import (
    EMBEDDING,
    LLM,
    RANKING,
    FakeEngines,
    FakeGenerator,
    serving,
    wait_for,
)

LOOPBACK = Settings(host="127.0.0.1")


def chat(**more: object) -> dict[str, object]:
    return {"model": LLM, "messages": [{"role": "user", "content": "hi"}], **more}


def texts(*inputs: str) -> dict[str, object]:
    return {"model": EMBEDDING, "input": list(inputs), "input_type": "passage"}


def metric(url: str, name: str) -> float:
    lines = httpx.get(f"{url}/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


def test_a_server_that_loads_says_503_everywhere_but_lives() -> None:
    with serving(Settings(ready_delay_s=60), FakeEngines()) as url:
        ready = httpx.get(f"{url}/health/ready")
        live = httpx.get(f"{url}/health/live")
        embedded = httpx.post(f"{url}/embeddings", json=texts("a"))
        answered = httpx.post(f"{url}/chat/completions", json=chat())

    assert live.status_code == 200
    assert ready.status_code == 503
    assert ready.json()["error"]["message"] == "The model is loading"
    assert embedded.status_code == 503
    assert embedded.headers["retry-after"] == "1"
    assert embedded.json()["type"] == "service_unavailable"
    assert answered.json()["error"]["type"] == "ServiceUnavailableError"


@pytest.mark.parametrize(
    ("role", "served"),
    [("llm", "/chat/completions"), ("embedding", "/embeddings"), ("ranking", "/ranking")],
)
def test_the_routes_of_other_roles_are_not_found(role: str, served: str) -> None:
    routes = {"/chat/completions", "/embeddings", "/ranking"}
    settings = Settings(roles=(role,))  # type: ignore[arg-type]  # the parameter is a Role

    with serving(settings, FakeEngines()) as url:
        answers = {route: httpx.post(f"{url}{route}", json={}).status_code for route in routes}
        models = httpx.get(f"{url}/models").json()["data"]

    assert answers.pop(served) == 422
    assert set(answers.values()) == {404}
    assert len(models) == 1


def test_a_served_name_stands_for_the_model() -> None:
    settings = Settings(roles=("embedding",), served_name="nvidia/embed")

    with serving(settings, FakeEngines()) as url:
        models = httpx.get(f"{url}/models").json()["data"]
        answer = httpx.post(f"{url}/embeddings", json={**texts("a"), "model": "nvidia/embed"})

    assert [model["id"] for model in models] == ["nvidia/embed"]
    assert answer.json()["model"] == "nvidia/embed"


def test_the_kind_of_input_may_end_the_name_of_the_model() -> None:
    body = {"model": f"{EMBEDDING}-query", "input": "a"}

    with serving(LOOPBACK, FakeEngines()) as url:
        answer = httpx.post(f"{url}/embeddings", json=body)

    assert answer.status_code == 200


def test_vectors_come_back_in_the_order_of_the_inputs() -> None:
    engines = FakeEngines()
    inputs = ["bbbbbbbb", "a", "cccc", "dd", "eeeee"]

    with serving(LOOPBACK, engines) as url:
        data = httpx.post(f"{url}/embeddings", json=texts(*inputs)).json()["data"]

    lengths = [[len(item) for item in batch] for batch in engines.embedder.embedded]
    assert [item["embedding"].index(1.0) for item in data] == [ord(text[0]) for text in inputs]
    assert lengths == [[1, 2], [4, 5], [8]]


def test_more_inputs_than_allowed_are_413() -> None:
    settings = Settings(max_inputs=2)
    passages = [{"text": "a"}] * 3

    with serving(settings, FakeEngines()) as url:
        embedded = httpx.post(f"{url}/embeddings", json=texts("a", "b", "c"))
        ranked = httpx.post(
            f"{url}/ranking",
            json={"model": RANKING, "query": {"text": "a"}, "passages": passages},
        )

    assert (embedded.status_code, ranked.status_code) == (413, 413)
    assert embedded.json() == {
        "object": "error",
        "message": "input has 3 items, more than 2: send fewer at a time",
        "detail": {},
        "type": "invalid_request_error",
    }


def test_a_body_beyond_the_limit_is_413(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.models.route.MAX_BODY_BYTES", 1000)

    with serving(LOOPBACK, FakeEngines()) as url:
        answer = httpx.post(f"{url}/embeddings", json=texts("a" * 2000))

    assert answer.status_code == 413


@pytest.mark.parametrize("body", [b"{", b"[1]", b""])
def test_a_body_that_is_no_object_is_422(body: bytes) -> None:
    with serving(LOOPBACK, FakeEngines()) as url:
        answer = httpx.post(f"{url}/embeddings", content=body)

    assert answer.status_code == 422
    assert answer.json()["object"] == "error"


def test_a_passage_seen_before_is_not_embedded_again() -> None:
    engines = FakeEngines()
    passages = [{"text": "apple"}, {"text": "bread"}, {"text": "apple"}]
    body = {"model": RANKING, "query": {"text": "bread"}, "passages": passages}

    with serving(LOOPBACK, engines) as url:
        first = httpx.post(f"{url}/ranking", json=body).json()
        done = len(engines.embedder.embedded)
        second = httpx.post(f"{url}/ranking", json=body).json()

    assert first == second
    assert [item["index"] for item in first["rankings"]] == [1, 0, 2]
    # The question itself is the one text that is embedded every time.
    assert len(engines.embedder.embedded) == done + 1


def reaches(url: str, name: str, count: int) -> bool:
    return metric(url, name) == count


def test_a_full_queue_is_503_and_the_metrics_show_it() -> None:
    engines = FakeEngines()
    engines.generator.open.clear()

    with serving(Settings(queue=1), engines) as url, ThreadPoolExecutor(3) as pool:
        asked = []
        # one after the other: at once, the second could find the first still in the queue
        for name, count in (("running", 1), ("running", 2), ("waiting", 1)):
            asked.append(pool.submit(httpx.post, f"{url}/chat/completions", json=chat()))
            wait_for(partial(reaches, url, f"vllm:num_requests_{name}", count))
        running = metric(url, "vllm:num_requests_running")
        refused = httpx.post(f"{url}/chat/completions", json=chat())
        engines.generator.open.set()
        answers = [item.result().status_code for item in asked]
        wait_for(lambda: metric(url, "vllm:num_requests_running") == 0)

    assert running == 2
    assert refused.status_code == 503
    assert refused.headers["retry-after"] == "1"
    assert answers == [200, 200, 200]


def test_a_long_document_does_not_hold_up_a_question() -> None:
    engines = FakeEngines()
    engines.embedder.open.clear()

    with serving(LOOPBACK, engines) as url, ThreadPoolExecutor(1) as pool:
        document = pool.submit(httpx.post, f"{url}/embeddings", json=texts(*["a" * 9] * 200))
        wait_for(lambda: metric(url, "stackyard_requests_running") == 1)
        question = threading.Thread(
            target=httpx.post, args=(f"{url}/embeddings",), kwargs={"json": texts("q")}
        )
        question.start()
        wait_for(lambda: metric(url, "stackyard_requests_running") == 2)
        engines.embedder.open.set()
        question.join()
        document.result()

    place = [batch[0][0] for batch in engines.embedder.embedded].index(ord("q"))
    assert place < 10


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_hangs_up_stops_the_engine(stream: bool) -> None:
    engines = FakeEngines(generator=FakeGenerator(words=100_000))

    with serving(LOOPBACK, engines) as url:
        with httpx.Client() as client:
            request = client.build_request(
                "POST", f"{url}/chat/completions", json=chat(stream=stream)
            )
            if stream:
                answer = client.send(request, stream=True)
                next(answer.iter_lines())
                answer.close()
            else:
                with pytest.raises(httpx.ReadTimeout):
                    client.post(request.url, json=chat(), timeout=0.2)
        wait_for(lambda: engines.generator.stopped == 1)
        wait_for(lambda: metric(url, "vllm:num_requests_running") == 0)
        spoken = engines.generator.spoken

    assert 0 < spoken < 100_000


def test_a_client_that_hangs_up_leaves_the_queue() -> None:
    engines = FakeEngines()
    engines.generator.open.clear()

    with serving(LOOPBACK, engines) as url, ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(httpx.post, f"{url}/chat/completions", json=chat()) for _ in range(2)]
        wait_for(lambda: metric(url, "vllm:num_requests_running") == 2)
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{url}/chat/completions", json=chat(), timeout=0.2)
        wait_for(lambda: metric(url, "vllm:num_requests_waiting") == 0)
        engines.generator.open.set()
        answers = [item.result().status_code for item in asked]

    assert answers == [200, 200]
    assert len(engines.generator.bodies) == 2


def test_a_broken_engine_is_500_and_gives_its_turn_back() -> None:
    class Broken(FakeGenerator):
        def generate(self, body: object, on_chunk: object) -> None:
            message = "secret detail"
            raise RuntimeError(message)

    engines = FakeEngines(generator=Broken())

    with serving(LOOPBACK, engines) as url:
        answers = [httpx.post(f"{url}/chat/completions", json=chat()) for _ in range(4)]
        running = metric(url, "vllm:num_requests_running")

    assert {answer.status_code for answer in answers} == {500}
    assert "secret" not in answers[0].text
    assert answers[0].json()["error"]["message"] == "Internal server error"
    assert running == 0


def test_an_error_in_the_middle_of_a_stream_is_told_in_the_stream() -> None:
    class Stumbling(FakeGenerator):
        def generate(self, body: object, on_chunk: object) -> None:
            assert callable(on_chunk)
            on_chunk({"choices": [{"delta": {"content": "a"}, "finish_reason": None}]})
            on_chunk({"error": {"code": 500, "message": "out of memory", "type": "server_error"}})

    with serving(LOOPBACK, FakeEngines(generator=Stumbling())) as url:
        text = httpx.post(f"{url}/chat/completions", json=chat(stream=True)).text

    lines = [line.removeprefix("data: ") for line in text.splitlines() if line]
    assert json.loads(lines[-2])["error"]["message"] == "out of memory"
    assert lines[-1] == "[DONE]"


@pytest.mark.parametrize(
    "change", [{"n": 2}, {"tools": [{"type": "function"}]}, {"logprobs": True}]
)
def test_what_the_model_cannot_do_is_refused_and_not_ignored(change: dict[str, object]) -> None:
    with serving(LOOPBACK, FakeEngines()) as url:
        answer = httpx.post(f"{url}/chat/completions", json=chat(**change))

    assert answer.status_code == 400
    assert next(iter(change)) in answer.json()["error"]["message"]


def test_the_engine_gets_what_was_asked_for() -> None:
    engines = FakeEngines()
    asked = {"temperature": 0, "top_p": 0.5, "seed": 2**40 + 1, "stop": "x", "max_tokens": 5}

    with serving(LOOPBACK, engines) as url:
        httpx.post(f"{url}/chat/completions", json=chat(max_completion_tokens=4, **asked))

    (body,) = engines.generator.bodies
    assert body["messages"] == [{"role": "user", "content": "hi"}]
    assert (body["temperature"], body["top_p"], body["seed"]) == (0.0, 0.5, 1)
    assert (body["stop"], body["max_tokens"]) == (["x"], 4)


def test_an_exact_share_of_the_requests_fails_as_asked() -> None:
    settings = Settings(fail_rate=0.25, fail_status=429)

    with serving(settings, FakeEngines()) as url:
        answers = [httpx.post(f"{url}/embeddings", json=texts("a")) for _ in range(8)]
        ready = httpx.get(f"{url}/health/ready")

    codes = [answer.status_code for answer in answers]
    assert codes == [200, 200, 200, 429] * 2
    assert answers[3].headers["retry-after"] == "1"
    assert ready.status_code == 200


def test_latency_is_added_to_every_answer() -> None:
    with serving(Settings(latency_ms=200), FakeEngines()) as url:
        embedded = httpx.post(f"{url}/embeddings", json=texts("a"))
        answered = httpx.post(f"{url}/chat/completions", json=chat())

    assert embedded.elapsed.total_seconds() >= 0.2
    assert answered.elapsed.total_seconds() >= 0.2


def test_the_metrics_count_what_happened() -> None:
    with serving(LOOPBACK, FakeEngines()) as url:
        httpx.post(f"{url}/embeddings", json=texts("a", "b"))
        httpx.post(f"{url}/embeddings", json={})
        httpx.post(f"{url}/chat/completions", json=chat())
        scrape = httpx.get(f"{url}/metrics")

    lines = scrape.text.splitlines()
    assert scrape.headers["content-type"].startswith("text/plain; version=0.0.4")
    for expected in (
        f'nv_inference_request_success{{model="{EMBEDDING}",version="1"}} 1',
        f'nv_inference_request_failure{{model="{EMBEDDING}",version="1"}} 1',
        f'nv_inference_count{{model="{EMBEDDING}",version="1"}} 2',
        f'stackyard_request_latency_seconds_count{{model="{EMBEDDING}"}} 1',
        f'vllm:time_to_first_token_seconds_count{{model_name="{LLM}"}} 1',
        f'vllm:e2e_request_latency_seconds_bucket{{model_name="{LLM}",le="+Inf"}} 1',
        f'vllm:generation_tokens_total{{model_name="{LLM}"}} 3',
    ):
        assert expected in lines
    heads = [line for line in lines if line.startswith("# TYPE")]
    assert len(heads) == len(set(heads))
