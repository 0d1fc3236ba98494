"""The lock: its text, its diffs, and where each item lies in a registry."""

from pathlib import Path

import pytest

from infra.registry import Registry
from stackyard.bundle.lock import (
    Item,
    Lock,
    changes,
    dumps,
    ordered,
    read_lock,
    with_digests,
    write_lock,
)
from stackyard.bundle.places import collisions, place_of, registry_of
from stackyard.errors import Trouble

OWN = "stackyard.invalid/stackyard"
DIGEST = "sha256:" + "a" * 64


def item(kind: str, name: str, reference: str, digest: str | None = DIGEST) -> Item:
    told = {"kind": kind, "name": name, "reference": reference, "digest": digest}
    return Item.model_validate({**told, "source": "catalog"})


def lock(*items: Item) -> Lock:
    return Lock(stack="sealed", python="3.11", items=ordered(items))


QDRANT = item("image", "qdrant", "qdrant/qdrant:v1")
LLM = item("image", "nim-llm", "nvcr.io/nim/meta/llm:2", None)


def test_a_lock_is_read_as_it_was_written_with_one_item_a_line(tmp_path: Path) -> None:
    written = lock(QDRANT, LLM)
    write_lock(tmp_path / "bundle.lock", written)

    lines = (tmp_path / "bundle.lock").read_text().splitlines()

    assert read_lock(tmp_path / "bundle.lock") == written
    assert sum('"kind"' in line for line in lines) == 2
    assert sum('"digest": "unresolved"' in line for line in lines) == 1


def test_a_change_of_the_stack_is_a_line_of_the_diff() -> None:
    newer = item("image", "qdrant", "qdrant/qdrant:v2")

    assert changes(lock(QDRANT, LLM), lock(newer)) == [
        "- image:nim-llm nvcr.io/nim/meta/llm:2 unresolved",
        f"~ image:qdrant qdrant/qdrant:v1 {DIGEST} -> qdrant/qdrant:v2 {DIGEST}",
    ]
    before, after = (dumps(each).splitlines() for each in (lock(QDRANT), lock(newer)))
    assert sum(a != b for a, b in zip(before, after, strict=True)) == 1


def test_a_digest_stays_known_while_the_reference_stays() -> None:
    asked = item("image", "qdrant", "qdrant/qdrant:v1", None)
    moved = item("image", "qdrant", "qdrant/qdrant:v2", None)

    assert with_digests([asked], lock(QDRANT)) == [QDRANT]
    assert with_digests([moved], lock(QDRANT)) == [moved]


@pytest.mark.parametrize(
    ("text", "said"),
    [("{", "its text"), ('{"version": 2}', "version"), ('{"stack": "a", "python": "3"}', "items")],
)
def test_a_file_that_is_no_lock_says_where(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "bundle.lock"
    path.write_text(text)

    with pytest.raises(Trouble, match=f"cannot be used: {said}"):
        read_lock(path)


PLACES = {
    "registry.corp/rag/qdrant/qdrant:v1": QDRANT,
    "registry.corp/rag/nim/meta/llm:2": LLM,
    "registry.corp/rag/stackyard/app:t1": item(
        "image", "app", "stackyard.invalid/stackyard/app:t1"
    ),
    "registry.corp/rag/charts/gpu-operator:v26.7.0": item(
        "chart", "gpu-operator", "https://helm.ngc.nvidia.com/nvidia/gpu-operator:v26.7.0"
    ),
    "registry.corp/rag/charts/tool:1.0_2": item("chart", "tool", "oci://x.y/z/tool:1.0+2"),
    "registry.corp/rag/stackyard/models/llm:aaaaaaaaaaaa": item("model", "llm", "nvcr.io/x:1#fp8"),
}


@pytest.mark.parametrize("place", PLACES)
def test_every_item_has_one_place_in_a_registry(place: str) -> None:
    found = place_of(PLACES[place], Registry("registry.corp", "rag"))

    assert str(found).partition("@")[0] == place


def test_two_images_in_one_place_are_told() -> None:
    other = item("image", "other", "quay.io/qdrant/qdrant:v1", "sha256:" + "b" * 64)

    assert collisions([QDRANT, other]) == [
        "qdrant/qdrant:v1 and quay.io/qdrant/qdrant:v1 would both be qdrant/qdrant:v1"
    ]


@pytest.mark.parametrize("text", ["https://registry.corp", "", "registry.corp/RAG", "registry"])
def test_a_registry_that_is_none_is_told(text: str) -> None:
    with pytest.raises(Trouble, match="without https://"):
        registry_of(text)
