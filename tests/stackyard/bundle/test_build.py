"""`stackyard bundle build`: the images of ours that a stack needs, where none is deployed."""

from pathlib import Path

import pytest
import yaml

from infra.images.recipe import Recipe
from stackyard import machine
from tests.infra.sealed import sealed
from tests.stackyard.conftest import Invoke


def test_every_image_of_ours_is_pushed_under_the_tag_that_the_lock_looks_for(
    project: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = {f"stackyard:{key}": value for key, value in sealed(project).items()}
    (project / "Pulumi.sealed.yaml").write_text(yaml.safe_dump({"config": config}))
    (project / "bundle.lock").unlink()  # before there is one
    pushed: list[str] = []

    def push(recipe: Recipe, target: str, _base: str) -> str:
        pushed.append(target)
        return "sha256:" + "1" * 64

    monkeypatch.setattr("infra.images.build.build_and_push", push)
    monkeypatch.setattr(machine, "start_docker", lambda _: None)

    done = invoke("bundle", "build", "--stack", "sealed", "--registry", "r.example.com/rag")

    assert done.exit_code == 0, done.output
    names = [target.rpartition(":")[0] for target in pushed]
    assert sorted(names) == [
        "r.example.com/rag/stackyard/app",
        "r.example.com/rag/stackyard/importer",
    ]
    assert all(f"{target}@sha256:" in done.stdout for target in pushed)
