"""The planner's terms against a real GPU, as bench/gpu_facts.py recorded it."""

import json
from pathlib import Path
from typing import Any

import pytest

from stackyard.planner.deploying import TO_DEVICE
from stackyard.planner.facts import MIB, gpu_named, models
from stackyard.planner.memory import CONTEXT_BYTES, DRIVER_BYTES, Need, need_of, room_of

RESULTS = Path(__file__).parents[3] / "bench" / "results"
MODEL_RUNS = json.loads((RESULTS / "gpu-h100-llama-8b.json").read_text())["runs"]
RECORDED = [RESULTS / "gpu-h100.json"]


@pytest.fixture(params=RECORDED, ids=lambda path: path.stem)
def recorded(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(json.loads(request.param.read_text()))


def test_the_gpu_has_the_memory_of_our_data(recorded: dict[str, Any]) -> None:
    smi = recorded["nvidia_smi"][0]

    gpu = gpu_named(smi["name"].replace(" ", "-"))

    assert gpu.memory_mib == int(smi["memory.total"])
    assert str(gpu.capability) == smi["compute_cap"]


def test_the_driver_and_a_context_keep_no_more_than_planned(recorded: dict[str, Any]) -> None:
    total = int(recorded["nvidia_smi"][0]["memory.total"]) * MIB
    cuda = recorded["cuda"]

    assert total - cuda["total_bytes"] <= DRIVER_BYTES
    assert total - cuda["free_bytes_in_context"] <= DRIVER_BYTES + CONTEXT_BYTES


def test_one_allocation_can_be_as_large_as_the_room(recorded: dict[str, Any]) -> None:
    gpu = gpu_named(recorded["nvidia_smi"][0]["name"].replace(" ", "-"))

    assert recorded["cuda"]["largest_allocation_bytes"] >= room_of(gpu).bytes


def test_the_bus_is_no_slower_than_planned(recorded: dict[str, Any]) -> None:
    assert recorded["cuda"]["bytes_per_second"]["host_to_device_pageable"] >= TO_DEVICE


@pytest.mark.parametrize("card", ["L4", "L40S"])
def test_a_shared_card_holds_what_the_guide_puts_on_it_and_guards_none_of_it(card: str) -> None:
    runs = json.loads((RESULTS / "gpu-h100-shared.json").read_text())[card]

    assert {runs["as planned"][role]["error"] for role in ("embedding", "ranking", "llm")} == {0}
    for role in ("embedding", "ranking", "llm"):
        assert runs["as planned"][role]["context"] * MIB <= CONTEXT_BYTES
    greedy = runs["language model first, at 0.9"]
    assert (greedy["embedding"]["error"], greedy["ranking"]["error"]) == (2, 2)
    assert runs["language model grows"]["embedding asks 256 more: error"] == 2


def planned(run: dict[str, Any]) -> Need:
    """Return the planner's need in the circumstances of a measured run."""
    return need_of(
        models()["meta/llama-3.1-8b-instruct"],
        "bf16",
        1,
        run["context"],
        concurrency=run["batch"],
        batched=run["prompt"],
    )


@pytest.mark.parametrize("run", MODEL_RUNS, ids=lambda run: f"batch {run['batch']}")
def test_an_8b_model_takes_what_was_planned_and_at_most_a_gib_less(run: dict[str, Any]) -> None:
    spare = planned(run).bytes - run["used_bytes"]

    assert 0 <= spare <= 1024 * MIB


@pytest.mark.parametrize("run", MODEL_RUNS, ids=lambda run: f"batch {run['batch']}")
def test_no_term_of_an_8b_model_is_planned_below_what_was_measured(run: dict[str, Any]) -> None:
    terms = {term.name: term.bytes for term in planned(run).terms}

    assert terms["weights"] == pytest.approx(run["weight_bytes"], rel=0.01)
    assert terms["KV cache"] == run["kv_bytes"]
    assert terms["activation"] >= run["activation_peak_bytes"]
    assert terms["CUDA context"] >= run["outside_allocator_bytes"]
