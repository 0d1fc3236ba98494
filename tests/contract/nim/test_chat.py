"""What clients of a language model NIM rely on."""

import json

import pytest

from tests.contract.nim.conftest import Nim

pytestmark = pytest.mark.integration
CONTEXT = "The guarantee of the pump is 24 months."
MESSAGES = [
    {"role": "system", "content": "Answer from the context."},
    {"role": "user", "content": f"Context: {CONTEXT}\nHow long is the guarantee of the pump?"},
]


def request(model: str, **more: object) -> dict[str, object]:
    return {"model": model, "messages": MESSAGES, "temperature": 0, "max_tokens": 40, **more}


def events(nim: Nim, body: dict[str, object]) -> list[str]:
    address = f"{nim.url}/chat/completions"
    with nim.client.stream("POST", address, json=body) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        return [line.removeprefix("data: ") for line in answer.iter_lines() if line]


def test_an_answer_has_its_text_its_end_and_its_cost(nim: Nim, llm: str) -> None:
    answer = nim.post("/chat/completions", request(llm)).json()

    choice, usage = answer["choices"][0], answer["usage"]
    assert answer["object"] == "chat.completion"
    assert answer["id"]
    assert answer["created"] > 0
    assert answer["model"] == llm
    assert choice["index"] == 0
    assert choice["message"]["role"] == "assistant"
    assert "24" in choice["message"]["content"]
    assert choice["finish_reason"] == "stop"
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_a_stream_is_the_same_answer_in_pieces(nim: Nim, llm: str) -> None:
    whole = nim.post("/chat/completions", request(llm)).json()

    lines = events(nim, request(llm, stream=True))

    chunks = [json.loads(line) for line in lines[:-1]]
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    text = "".join(delta.get("content") or "" for delta in deltas)
    assert lines[-1] == "[DONE]"
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert deltas[0]["role"] == "assistant"
    assert len(chunks) > 4
    assert text == whole["choices"][0]["message"]["content"]
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


def test_a_stream_tells_its_cost_when_asked(nim: Nim, llm: str) -> None:
    lines = events(nim, request(llm, stream=True, stream_options={"include_usage": True}))

    last = json.loads(lines[-2])
    assert last["choices"] == []
    assert last["usage"]["completion_tokens"] > 0
    assert all(not json.loads(line).get("usage") for line in lines[:-2])


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_an_answer_ends_at_its_limit(nim: Nim, llm: str, name: str) -> None:
    body = request(llm)
    del body["max_tokens"]

    answer = nim.post("/chat/completions", {**body, name: 3}).json()

    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 3


@pytest.mark.parametrize("stop", ["24", ["never said", "24"]])
def test_an_answer_ends_before_a_stop_text(nim: Nim, llm: str, stop: object) -> None:
    answer = nim.post("/chat/completions", request(llm, stop=stop)).json()

    choice = answer["choices"][0]
    assert "24" not in choice["message"]["content"]
    assert choice["finish_reason"] == "stop"


def test_a_seed_repeats_an_answer(nim: Nim, llm: str) -> None:
    body = request(llm, temperature=1.2, top_p=0.95, seed=7, max_tokens=20)

    answers = {
        nim.post("/chat/completions", body).json()["choices"][0]["message"]["content"]
        for _ in range(3)
    }

    assert len(answers) == 1


def test_content_may_come_in_parts(nim: Nim, llm: str) -> None:
    parts = [{"type": "text", "text": "Say "}, {"type": "text", "text": "yes."}]
    body = request(llm, messages=[{"role": "user", "content": parts}])

    assert nim.post("/chat/completions", body).status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        {"messages": []},
        {"messages": None},
        {"messages": [{"role": "robot", "content": "a"}]},
        {"messages": [{"role": "user"}]},
        {"max_tokens": 0},
        {"max_tokens": "many"},
        {"temperature": -1},
        {"top_p": 2},
        {"stream": "yes please"},
    ],
)
def test_a_request_of_the_wrong_shape_is_refused(
    nim: Nim, llm: str, change: dict[str, object]
) -> None:
    answer = nim.post("/chat/completions", request(llm, **change))

    assert answer.status_code in (400, 422)


@pytest.mark.parametrize("stream", [False, True])
def test_a_prompt_that_is_too_long_is_refused(nim: Nim, llm: str, stream: bool) -> None:
    long = [{"role": "user", "content": "pump " * 200_000}]

    answer = nim.post("/chat/completions", request(llm, messages=long, stream=stream))

    error = answer.json()["error"]
    assert answer.status_code == 400
    assert "maximum context length" in error["message"]
    assert error["type"] == "BadRequestError"
    assert error["code"] == 400


def test_an_unknown_model_is_not_found(nim: Nim, llm: str) -> None:
    answer = nim.post("/chat/completions", request("no/such"))

    assert answer.status_code == 404
    assert "no/such" in answer.json()["error"]["message"]
