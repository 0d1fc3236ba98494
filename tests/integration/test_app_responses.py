"""OpenAI's Responses API over real HTTP, with OpenAI's unmodified client."""

from collections.abc import Iterator

import openai
import pytest

from tests.app.hanging_up import seconds_to_cut
from tests.app.process import KEY, AppProcess
from tests.fakes.nim import FakeNim

pytestmark = pytest.mark.integration

QUESTION = "What is the capital of Freedonia?"
FACT = "The capital of Freedonia is Marxville."


@pytest.fixture(scope="module")
def asked(app: AppProcess) -> AppProcess:
    app.indexed("fox.txt", f"The fox jumps over the dog. {FACT}".encode())
    return app


@pytest.fixture
def client(asked: AppProcess) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{asked.url}/v1", api_key=KEY, max_retries=0) as made:
        yield made


def test_a_response_has_its_text_its_usage_and_its_citations(client: openai.OpenAI) -> None:
    response = client.responses.create(
        model="stackyard", input=QUESTION, metadata={"ticket": "7"}, instructions="Be brief."
    )

    (message,) = response.output
    assert isinstance(message, openai.types.responses.ResponseOutputMessage)
    (part,) = message.content
    assert isinstance(part, openai.types.responses.ResponseOutputText)
    (note,) = part.annotations
    assert response.output_text == FACT
    assert (response.status, response.metadata) == ("completed", {"ticket": "7"})
    assert response.usage is not None
    assert response.usage.total_tokens == response.usage.input_tokens + 6
    assert isinstance(note, openai.types.responses.response_output_text.AnnotationFileCitation)
    assert (note.filename, note.index) == ("fox.txt", len(FACT))
    assert note.model_extra is not None
    assert (note.model_extra["quote"], note.model_extra["page"]) == (FACT, 1)


def test_a_stream_opens_and_closes_every_level_in_order(client: openai.OpenAI) -> None:
    events = list(client.responses.create(model="documents", input=QUESTION, stream=True))

    kinds = [event.type for event in events]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert kinds[:4] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
    ]
    assert kinds[-5:] == [
        "response.output_text.annotation.added",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert set(kinds[4:-5]) == {"response.output_text.delta"}
    deltas = [e.delta for e in events if e.type == "response.output_text.delta"]
    last = events[-1]
    assert last.type == "response.completed"
    assert "".join(deltas) == last.response.output_text == FACT
    assert last.response.usage is not None
    assert last.response.usage.output_tokens == 6


def test_the_clients_own_stream_helper_collects_the_same(client: openai.OpenAI) -> None:
    with client.responses.stream(model="stackyard", input=QUESTION) as stream:
        final = stream.get_final_response()

    assert final.output_text == FACT


def test_earlier_items_are_the_history(client: openai.OpenAI) -> None:
    response = client.responses.create(
        model="stackyard",
        input=[
            {"role": "system", "content": "You are brief."},
            {"role": "user", "content": [{"type": "input_text", "text": QUESTION}]},
            {"role": "assistant", "content": FACT},
            {"role": "user", "content": "And what is it called?"},
        ],
    )

    assert "Marxville" in response.output_text


def test_what_the_documents_do_not_answer_says_so(client: openai.OpenAI) -> None:
    response = client.responses.create(model="stackyard", input="How heavy is the planet Neptune?")

    assert response.model_extra is not None
    assert response.model_extra["answerable"] is False
    assert response.status == "completed"


@pytest.mark.parametrize(
    ("members", "status"),
    [
        ({"input": []}, 422),
        ({"input": "  "}, 422),
        ({"input": [{"role": "system", "content": "s"}]}, 422),
        ({"input": QUESTION, "previous_response_id": "resp_1"}, 422),
        ({"input": QUESTION, "filters": {"document": []}}, 422),
        ({"input": QUESTION, "model": "gpt-4"}, 404),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_a_request_that_cannot_be_answered_is_refused_before_it_begins(
    asked: AppProcess, members: dict[str, object], status: int, stream: bool
) -> None:
    with asked.client() as client:
        response = client.post("/v1/responses", json={**members, "stream": stream})

    assert response.status_code == response.json()["status"] == status


@pytest.mark.parametrize("stream", [True, False])
def test_a_failing_model_is_named_by_its_stage(
    asked: AppProcess, nim: FakeNim, stream: bool
) -> None:
    nim.fail_next(401, times=20, path="/chat/completions")
    try:
        with asked.client() as client:
            response = client.post("/v1/responses", json={"input": QUESTION, "stream": stream})
    finally:
        nim._faults.clear()

    assert (response.status_code, response.json()["stage"]) == (502, "generation")


@pytest.mark.parametrize("stream", [True, False])
def test_a_caller_who_hangs_up_stops_the_model_within_a_second(
    asked: AppProcess, nim: FakeNim, stream: bool
) -> None:
    members: dict[str, object] = {"input": QUESTION, "stream": stream}

    assert seconds_to_cut(asked, nim, "/v1/responses", members) < 1.0
