"""What probes, autoscalers and curious people ask of any NIM."""

import pytest

from tests.contract.nim.conftest import Nim

pytestmark = pytest.mark.integration


def test_live_and_ready_answer_200(nim: Nim) -> None:
    assert nim.get("/health/live").status_code == 200
    assert nim.get("/health/ready").status_code == 200


def test_the_models_are_listed(nim: Nim) -> None:
    answer = nim.get("/models").json()

    assert answer["object"] == "list"
    assert {item["object"] for item in answer["data"]} == {"model"}
    assert set(nim.models.values()) <= {item["id"] for item in answer["data"]}


def test_the_metadata_can_be_read(nim: Nim) -> None:
    assert nim.get("/metadata").status_code == 200


def test_an_unknown_route_is_not_found(nim: Nim) -> None:
    assert nim.get("/no-such-route").status_code == 404


@pytest.mark.parametrize(
    "name",
    [
        "vllm:num_requests_running",
        "vllm:num_requests_waiting",
        "vllm:time_to_first_token_seconds_count",
        "vllm:e2e_request_latency_seconds_count",
    ],
)
def test_an_autoscaler_finds_the_names_of_vllm(nim: Nim, llm: str, name: str) -> None:
    nim.post(
        "/chat/completions",
        {"model": llm, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2},
    )

    lines = nim.get("/metrics").text.splitlines()

    assert any(line.startswith(f"{name}{{") and llm in line for line in lines)
