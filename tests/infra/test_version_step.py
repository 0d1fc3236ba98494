"""Versions go on by single steps: others are refused by the engine, before the data is touched."""

import pytest

from infra.catalog import QDRANT
from infra.components.version_step import VersionStepProvider
from infra.registry import parse
from tests.infra.conftest import Deploy

BEFORE = "v1.19.0-unprivileged"


def told(before: str | None, after: str) -> list[str]:
    olds = {} if before is None else {"part": "Qdrant", "version": before}
    checked = VersionStepProvider().check(olds, {"part": "Qdrant", "version": after})
    return [each.reason for each in checked.failures]


@pytest.mark.parametrize("after", ["v1.19.0-unprivileged", "v1.19.3", "v1.20.0-unprivileged"])
def test_the_same_and_the_next_minor_version_are_steps(after: str) -> None:
    assert told(BEFORE, after) == []


@pytest.mark.parametrize("after", ["v1.21.0-unprivileged", "v1.18.2", "v2.0.0", "v0.19.0"])
def test_every_other_version_is_refused_with_the_way_round(after: str) -> None:
    (why,) = told(BEFORE, after)

    assert why.startswith(f"Qdrant would go from {BEFORE} to {after}; it reads what the minor")
    assert "hint: go by way of the stackyard that brings the version in between" in why


@pytest.mark.parametrize("before", [None, "nightly"])
def test_a_new_stack_and_an_image_without_a_version_are_not_held_up(before: str | None) -> None:
    assert told(before, "v1.19.0") == []


def test_qdrant_is_changed_only_after_its_step(deploy: Deploy) -> None:
    found = deploy()

    assert found["qdrant-version"].inputs["version"] == parse(QDRANT).tag
    assert "qdrant-version" in found["qdrant-statefulset"].after
