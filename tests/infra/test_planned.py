"""The plan in front of a preview: said where models need GPUs, heeded where they cannot fit."""

from collections.abc import Mapping
from typing import Any

import pulumi
import pytest

from infra.program import deploy as program
from stackyard.planner.preview import planned
from tests.infra.conftest import Deploy
from tests.infra.test_gpu_settings import EKS, KEY, NIM, ONPREM, REGISTRY


class Notes:
    """A planner that keeps what it was asked and what the real one said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, stack: str, settings: Mapping[str, Any]) -> tuple[list[str], bool]:
        self.lines, refused = planned(stack, settings)
        return self.lines, refused


@pytest.fixture
def notes() -> Notes:
    return Notes()


def pools(kind: str, count: int) -> dict[str, Any]:
    return {**EKS, "gpuPools": [{"name": "gpu", "instanceTypes": [kind], "max": count}]}


def test_models_that_fit_are_told_with_their_places(deploy: Deploy, notes: Notes) -> None:
    models = {**NIM, "llm": {"maxModelLength": 8192}}
    settings = {"cluster": pools("g6.4xlarge", 3), "models": models}

    found = deploy(settings, secrets=KEY, only=lambda: program(planner=notes))

    assert notes.lines[0] == "plan of stack dev: fits"
    assert "llm: meta/llama-3.1-8b-instruct" in notes.lines[1]
    assert found["llm-deployment"]


def test_models_that_cannot_fit_stop_it_before_anything_is_made(
    deploy: Deploy, notes: Notes
) -> None:
    settings = {"cluster": pools("g4dn.xlarge", 3), "models": NIM}

    with pytest.raises(pulumi.RunError) as stopped:
        deploy(settings, secrets=KEY, only=lambda: program(planner=notes))

    first, *told, hint = str(stopped.value).splitlines()
    assert first == "the models of stack dev do not fit on its GPUs; nothing was changed"
    assert told == notes.lines
    assert any("bf16 is not in the hardware of T4" in line for line in told)
    assert hint == "hint: stackyard plan --stack dev shows the arithmetic"


def test_the_nodes_of_a_cluster_that_exists_are_not_asked_for(deploy: Deploy, notes: Notes) -> None:
    settings = {"cluster": ONPREM, "registry": REGISTRY, "models": NIM}

    deploy(settings, secrets=KEY, only=lambda: program(planner=notes))

    assert notes.lines[0] == "plan of stack dev: unknown"
    assert any("stackyard plan --stack dev does" in line for line in notes.lines)


def test_a_stack_without_models_on_gpus_has_no_plan(deploy: Deploy, notes: Notes) -> None:
    deploy(only=lambda: program(planner=notes))

    assert notes.lines == []
