"""`stackyard plan` as a command, and the plan that `up` looks at first."""

import json
from pathlib import Path

import pytest
import yaml

from tests.stackyard.conftest import Invoke
from tests.stackyard.fake_tools import FakeTools

POOL = {"name": "gpu", "instanceTypes": ["g6e.4xlarge"], "max": 1, "diskThroughput": 600}
EKS = {
    "stackyard:cluster": {"kind": "eks", "gpuPools": [POOL]},
    "stackyard:models": {"kind": "nim", "llm": {"maxModelLength": 8192}},
    "stackyard:gpuOperator": {"sharing": "timeSlicing", "slices": 3},
}


def write(project: Path, config: dict[str, object], name: str = "eks") -> None:
    (project / f"Pulumi.{name}.yaml").write_text(yaml.safe_dump({"config": config}))


@pytest.fixture
def eks(project: Path) -> Path:
    write(project, EKS)
    return project


def test_a_stack_that_fits_shows_its_arithmetic(eks: Path, invoke: Invoke) -> None:
    done = invoke("plan", "--stack", "eks")

    assert done.exit_code == 0, done.output
    assert "plan of stack eks: fits" in done.stdout
    assert "8.03 G parameters in bf16" in done.stdout


def test_a_stack_that_does_not_fit_ends_in_1_and_says_what_would(eks: Path, invoke: Invoke) -> None:
    write(eks, EKS | {"stackyard:gpuOperator": {"sharing": "none"}})

    done = invoke("plan", "--stack", "eks")

    assert done.exit_code == 1
    assert "embedding: nvidia/llama-nemotron-embed-1b-v2 has no place" in done.stdout
    assert "would fit: 3 x g5.2xlarge" in done.stdout


def test_json_has_the_verdict(eks: Path, invoke: Invoke) -> None:
    read = json.loads(invoke("plan", "--stack", "eks", "--json").stdout)

    assert read["verdict"] == "fits"
    assert read["nodes"][0]["type"] == "g6e.4xlarge"


def test_other_nodes_can_be_tried_without_changing_the_settings(eks: Path, invoke: Invoke) -> None:
    done = invoke("plan", "--stack", "eks", "--node", "g6.4xlarge:1")

    assert "vllm-fp8-tp1-pp1" in done.stdout


def test_a_node_type_that_nobody_knows_is_refused(eks: Path, invoke: Invoke) -> None:
    done = invoke("plan", "--stack", "eks", "--node", "x1.big")

    assert done.exit_code == 1
    assert "--node is 'x1.big': TYPE or TYPE:COUNT, TYPE is g4dn.xlarge" in done.stderr


def test_a_price_file_gives_the_cost_with_its_day(
    eks: Path, invoke: Invoke, tmp_path: Path
) -> None:
    prices = tmp_path / "prices.yaml"
    prices.write_text(
        "date: 2026-11-26\ncurrency: EUR\nregion: eu-west-1\nsource: list\n"
        "perHour: {g6e.4xlarge: 2.5}\n"
    )

    done = invoke("plan", "--stack", "eks", "--prices", prices)

    assert "GPU nodes: 2.50 EUR an hour (eu-west-1, 2026-11-26, list)" in done.stdout


def test_a_price_file_without_a_date_is_refused(eks: Path, invoke: Invoke, tmp_path: Path) -> None:
    prices = tmp_path / "prices.yaml"
    prices.write_text("currency: EUR\nregion: eu-west-1\nsource: list\nperHour: {}\n")

    done = invoke("plan", "--stack", "eks", "--prices", prices)

    assert done.exit_code == 1
    assert "prices.yaml': date: Field required" in done.stderr


def test_up_shows_the_plan_and_makes_nothing_where_it_cannot_fit(
    tools: FakeTools, eks: Path, invoke: Invoke
) -> None:
    write(eks, EKS | {"stackyard:gpuOperator": {"sharing": "none"}}, "dev")

    done = invoke("up")

    assert done.exit_code == 1
    assert "plan of stack dev: does not fit" in done.stderr
    assert "the models of stack dev do not fit on its GPUs; nothing was made" in done.stderr
    assert not any(call.startswith("pulumi up") for call in tools.calls)


def test_up_goes_on_where_the_plan_fits(tools: FakeTools, eks: Path, invoke: Invoke) -> None:
    write(eks, EKS, "dev")

    done = invoke("up")

    assert "plan of stack dev: fits" in done.stderr
    assert any(call.startswith("pulumi up") for call in tools.calls)


def test_a_local_stack_has_nothing_to_plan(project: Path, invoke: Invoke) -> None:
    done = invoke("plan", "--stack", "dev")

    assert done.exit_code == 0
    assert "plan of stack dev: nothing to place" in done.stdout
