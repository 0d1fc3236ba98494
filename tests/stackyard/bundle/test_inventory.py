"""What a stack needs, read from its own program."""

from pathlib import Path

import pytest

from stackyard.bundle.inventory import inventory
from stackyard.bundle.lock import Lock, changes, read_lock
from stackyard.bundle.naming import named_images
from stackyard.project import PACKAGE, Stack

EXAMPLES = PACKAGE / "examples"


def listed(folder: Path, name: str, *systems: str) -> Lock:
    return inventory(Stack(name, folder), python="3.11", systems=systems)


TEXT = (EXAMPLES / "Pulumi.onprem.yaml").read_text().replace("      preinstalled: driver\n", "")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Lock:
    folder = tmp_path_factory.mktemp("onprem")
    (folder / "Pulumi.onprem.yaml").write_text(TEXT)
    return listed(folder, "onprem", "ubuntu24.04")


def test_a_stack_on_gpus_lists_what_no_object_of_it_names(found: Lock) -> None:
    keys = {item.key for item in found.items}
    assert {
        "image:app",
        "image:qdrant",
        "image:nim-llm",
        "image:gpu-operator-toolkit",
        "image:gpu-operator-driver-ubuntu24.04",
        "image:gpu-operator-node-feature-discovery",
        "chart:gpu-operator",
        "model:llm",
        "model:embedding",
        "tool:helm",
        "tool:skopeo",
        "plugin:kubernetes",
    } <= keys
    driver = next(i for i in found.items if i.name == "gpu-operator-driver-ubuntu24.04")
    assert driver.reference.endswith("-ubuntu24.04")
    wheels = found.of("wheel")
    assert all(wheel.resolved and wheel.size for wheel in wheels)
    assert {"pulumi", "cryptography"} <= {wheel.name.rpartition("-")[0] for wheel in wheels}


def test_a_change_of_the_stack_shows_in_the_lock(found: Lock, tmp_path: Path) -> None:
    text = TEXT.replace("cacheStorage: 100Gi", "profile: vllm-fp8-tp1")
    (tmp_path / "Pulumi.onprem.yaml").write_text(text)

    shown = changes(found, listed(tmp_path, "onprem", "ubuntu24.04"))

    assert len(shown) == 1
    assert shown[0].startswith("~ model:llm")
    assert shown[0].endswith("#vllm-fp8-tp1 unresolved")


def test_images_are_found_however_deep_and_switched_off_parts_are_not() -> None:
    rendered = {
        "spec": {
            "template": {
                "spec": {
                    "initContainers": [{"image": "a.io/init:1"}],
                    "containers": [{"image": "a.io/main:1"}],
                }
            },
            "toolkit": {"repository": "nvcr.io/k8s", "image": "toolkit", "version": "v1"},
            "driver": {"enabled": False, "repository": "n.io", "image": "driver", "version": "5"},
            "pinned": {"repository": "n.io", "image": "x", "version": "sha256:" + "c" * 64},
        }
    }

    assert list(named_images(rendered)) == [
        "a.io/init:1",
        "a.io/main:1",
        "nvcr.io/k8s/toolkit:v1",
        "n.io/x@sha256:" + "c" * 64,
    ]


def test_the_committed_lock_of_the_sealed_example_is_of_its_stack() -> None:
    committed = read_lock(EXAMPLES / "bundle.lock")

    found = listed(EXAMPLES, "airgapped")

    again = "stackyard bundle lock --offline --settings examples/Pulumi.airgapped.yaml"
    assert third_party(committed) == third_party(found), again


def third_party(lock: Lock) -> list[tuple[str, str]]:
    """Return what a stack names; the tags of our own images change with every line of ours."""
    pushed = lock.of("image", "chart", "model")
    return [(item.key, item.reference) for item in pushed if item.source != "built"]
