"""`bundle lock` against a mirror that plays all public registries."""

import json
from pathlib import Path

import pytest

from stackyard.bundle import packing
from stackyard.bundle.lock import Item, read_lock
from stackyard.errors import Trouble
from stackyard.project import PACKAGE
from tests.stackyard.bundle.conftest import Factory, noise
from tests.stackyard.bundle.real_registry import RealRegistry
from tests.stackyard.bundle.test_charts import archive
from tests.stackyard.conftest import Invoke

pytestmark = pytest.mark.integration
EXAMPLE = PACKAGE / "examples/Pulumi.airgapped.yaml"
QDRANT = "qdrant/qdrant:v1.19.0-unprivileged"


def no_tools(item: Item) -> packing.Packed:
    message = f"{item.name} is not packed in this test"
    raise Trouble(message, "-")


def test_a_sealed_stack_is_locked_as_far_as_can_be_and_what_lacks_is_refused(
    tmp_path: Path,
    outside: RealRegistry,
    factory: Factory,
    invoke: Invoke,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(packing, "packed", no_tools)
    image = factory.image([noise(2_000, 50)], docker=True)
    factory.publish(image, QDRANT)
    chart = tmp_path / "chart.tgz"
    chart.write_bytes(archive())
    lock = tmp_path / "bundle.lock"

    done = invoke(
        *("bundle", "lock", "--settings", EXAMPLE, "--lock", lock, "--python", "3.11"),
        *("--mirror", outside.address, "--chart", f"gpu-operator={chart}"),
    )

    items = {item.key: item for item in read_lock(lock).items}
    assert items["image:qdrant"].digest == image.digest
    assert items["chart:gpu-operator"].resolved
    assert items["image:gpu-operator-vendor-hook"].source == "chart"  # of the chart's hook
    assert items["image:nim-llm"].digest is None
    assert done.exit_code == 1
    assert "airgapped is true, and no digest is known for image:app" in done.output
    assert "image:app: is built here, and no registry was named that has it" in done.output
    assert "download-to-cache -p vllm-bf16-tp1-pp1" not in done.output  # create says that
    assert json.loads(lock.read_text())["stack"] == "airgapped"
