"""What a machine can have, and what the program makes of it."""

import json
from pathlib import Path

import pulumi
import pytest

from infra.catalog import KIND_NODE, QDRANT, build_catalog
from infra.machine import Machine, load_machine
from infra.registry import Registry
from tests.infra.conftest import Deploy

REGISTRIES_ONLY = {
    "nodeImage": "localhost/stackyard/node:v1",
    "baseImage": "localhost/stackyard/python:3.11",
    "registryImage": "localhost/stackyard/registry:2.8",
    "qdrantImage": "edge",
    "cniDirectory": "/home/x/cni",
    "cgroupV1": True,
    "networkPolicyEnforced": False,
}


@pytest.fixture
def facts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "machine.json"
    monkeypatch.setenv("STACKYARD_MACHINE", str(path))
    return path


def test_without_a_file_the_machine_is_an_ordinary_one(facts: Path) -> None:
    assert not facts.exists()
    assert load_machine() == Machine()


def test_a_broken_file_is_refused_with_what_is_wrong(facts: Path) -> None:
    facts.write_text('{"cgroupV1": "perhaps", "gpu": 1}')

    with pytest.raises(pulumi.RunError) as caught:
        load_machine()

    assert str(caught.value) == (
        f"{facts} cannot be used: cgroupV1: Input should be a valid boolean, unable to interpret "
        "input; gpu: Extra inputs are not permitted\nhint: make tools writes it anew"
    )


def test_the_catalog_pins_what_the_machine_does_not_replace() -> None:
    catalog = build_catalog(Machine(), None)

    assert catalog.kind_node == KIND_NODE
    assert catalog.third_party == {"qdrant": QDRANT}


def test_a_mirror_moves_the_third_party_images() -> None:
    catalog = build_catalog(Machine(), Registry("r.example.com", "hub"))

    assert catalog.third_party == {"qdrant": "r.example.com/hub/qdrant/qdrant:v1.19.0-unprivileged"}
    assert catalog.python == "r.example.com/hub/library/python:3.11-slim-bookworm"


@pytest.mark.skipif(
    not Path("local/qdrant/Dockerfile").exists(), reason="local/qdrant is not there"
)
def test_where_no_registry_has_qdrant_ours_is_built(deploy: Deploy, facts: Path) -> None:
    facts.write_text(json.dumps(REGISTRIES_ONLY))

    dev = deploy()

    assert dev["cluster"].inputs["nodeImage"] == "localhost/stackyard/node:v1"
    assert dev["cluster"].inputs["cniDirectory"] == "/home/x/cni"
    assert dev["qdrant-image"].inputs["base"] == "localhost/stackyard/python:3.11"
    pod = dev.pods["qdrant"]
    assert pod["securityContext"]["runAsUser"] == 65532
    assert {each["name"]: each["value"] for each in pod["containers"][0]["env"]} == {
        "QDRANT_EDGE_DIR": "/qdrant/storage",
        "QDRANT_EDGE_PORT": "6333",
        "QDRANT_EDGE_API_KEY_FILE": "/etc/qdrant/api-key",
        "QDRANT_EDGE_READ_ONLY_API_KEY_FILE": "/etc/qdrant/read-only-api-key",
    }
