"""The arithmetic against what others published: cases.yaml names the source of each."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from stackyard.planner.facts import GIB, Gpu, Model, gpus, models
from stackyard.planner.memory import Need, batched_tokens, kv_tokens, need_of, room_of

READ = yaml.safe_load(Path(__file__).with_name("cases.yaml").read_text())
CASES: list[dict[str, Any]] = READ["cases"]
SHAPES = {
    name: Model.model_validate({"name": name, "role": "llm", "source": "config.json", **shape})
    for name, shape in READ["shapes"].items()
} | models()
GPUS = {
    name: Gpu.model_validate({"name": name, "source": "nvidia-smi", **line})
    for name, line in READ["gpus"].items()
} | gpus()


def name_of(case: dict[str, Any]) -> str:
    model = case["model"].rpartition("/")[2]
    return f"{model}-{case['precision']}-{case['context']}-on-{case['gpus']}x{case['gpu']}"


def worked(case: dict[str, Any]) -> tuple[Need, int]:
    """Return the planner's terms and the room, in the case's own circumstances."""
    gpu = GPUS[case["gpu"]]
    need = need_of(
        SHAPES[case["model"]],
        case["precision"],
        case["gpus"],
        case["context"],
        batched=case.get("batched", batched_tokens(gpu)),
    )
    return need, room_of(gpu, utilization=case.get("utilization", 0.90)).bytes


def term(need: Need, name: str) -> float:
    return next(term.bytes for term in need.terms if term.name == name) / GIB


def test_there_are_at_least_twenty_cases_and_each_names_its_source() -> None:
    assert len({name_of(case) for case in CASES}) >= 20
    assert all(case["source"] for case in CASES)


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_the_planner_says_fits_where_the_source_saw_it_fit(case: dict[str, Any]) -> None:
    need, room = worked(case)

    fits = need.bytes <= room and GPUS[case["gpu"]].has(case["precision"])

    assert fits is case["fits"]


@pytest.mark.parametrize(
    ("case", "figure"),
    [(case, part) for case in CASES for part in ("weightsGib", "activationGib") if part in case],
    ids=lambda value: name_of(value) if isinstance(value, dict) else value,
)
def test_a_published_part_is_met(case: dict[str, Any], figure: str) -> None:
    need, _ = worked(case)

    found = term(need, figure.removesuffix("Gib"))

    assert found == pytest.approx(case[figure], rel=min(case["within"], 0.03))


@pytest.mark.parametrize("case", [case for case in CASES if "kvGib" in case], ids=name_of)
def test_what_is_left_for_the_cache_is_met(case: dict[str, Any]) -> None:
    need, room = worked(case)

    left = (room - need.fixed_bytes) / GIB

    assert left == pytest.approx(case["kvGib"], rel=case["within"])


@pytest.mark.parametrize("case", [case for case in CASES if "kvTokens" in case], ids=name_of)
def test_the_tokens_that_the_cache_holds_are_met_to_a_gib(case: dict[str, Any]) -> None:
    need, room = worked(case)

    careful_gib = (case["kvTokens"] - kv_tokens(need, room)) * need.kv_token_bytes / GIB

    assert -0.5 <= careful_gib <= 1.0


@pytest.mark.parametrize("case", [case for case in CASES if "tokensOfGib" in case], ids=name_of)
def test_the_bytes_of_a_token_are_those_of_the_engines_own_log(case: dict[str, Any]) -> None:
    gib, tokens = case["tokensOfGib"]

    bytes_of_a_token = SHAPES[case["model"]].kv_bytes_per_token(case["gpus"])

    assert gib * GIB / bytes_of_a_token == pytest.approx(tokens, rel=0.02)
