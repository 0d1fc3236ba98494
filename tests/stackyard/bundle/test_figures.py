"""How fast a bundle is made and loaded, and what a second run moves.

CI runs small layers and holds the counts; `make figures` runs large ones, holds the times too, and
keeps what it saw in bench/results (STACKYARD_BUNDLE_FIGURES names the file).
"""

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from bench.results import circumstances
from infra.registry import parse
from stackyard.bundle.layout import Layout
from stackyard.bundle.lock import read_lock
from stackyard.bundle.transport import make_view
from tests.stackyard.bundle.conftest import Factory, Keys, Make, image_item, noise
from tests.stackyard.bundle.real_registry import RealRegistry
from tests.stackyard.conftest import Invoke
from tools.portable import find_skopeo

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1200)]
REPORT = os.environ.get("STACKYARD_BUNDLE_FIGURES")
LAYER = 40_000_000 if REPORT else 1_000_000
IMAGES = 6
SECONDS = 5.0  # a run that has nothing to move, beside its checks
SHARE = 0.8  # of skopeo's own speed


def test_a_second_run_moves_nothing_and_a_load_is_as_fast_as_skopeo(
    tmp_path: Path, factory: Factory, make: Make, keys: Keys, invoke: Invoke
) -> None:
    shared = noise(LAYER, 500)
    items = []
    for number in range(IMAGES):
        image = factory.image([shared, noise(LAYER, 501 + number)], docker=number % 2 == 0)
        name = f"figure-{number}"
        items.append(image_item(name, factory.publish(image, f"vendor/{name}:1")))

    start = time.monotonic()
    bundle = make(*items)
    create_seconds = time.monotonic() - start
    start = time.monotonic()
    again = make(*items)
    create_again_seconds = time.monotonic() - start
    with RealRegistry(tmp_path / "site") as site:
        to = ["--registry", site.address, "--key", keys.public, "--json"]
        loads = []
        for _ in range(2):
            done = invoke("bundle", "load", bundle.folder, *to)
            assert done.exit_code == 0, done.output
            loads.append(json.loads(done.stdout))
    copied = skopeo_alone(tmp_path, bundle.folder, bundle.lock)

    first, second = loads
    assert "0 fetched anew (0 B)" in again.said
    assert second["pushed"] == []
    figures = {
        "bytes": LAYER * (IMAGES + 1),
        "images": IMAGES,
        "create_seconds": round(create_seconds, 2),
        "create_again_seconds": round(create_again_seconds, 2),
        "load_seconds": first["seconds"],
        "load_again_seconds": second["seconds"],
        "skopeo_copy_seconds": round(copied, 2),
        "speed_of_skopeo_copy": round(copied / first["seconds"]["push"], 2),
    }
    print(json.dumps(figures, indent=1))
    if REPORT:
        kept = {**circumstances("make figures"), **figures}
        Path(REPORT).write_text(json.dumps(kept, indent=1) + "\n")
        assert second["seconds"]["push"] + second["seconds"]["read"] <= SECONDS
        assert figures["speed_of_skopeo_copy"] >= SHARE


def skopeo_alone(tmp_path: Path, folder: Path, lock: Path) -> float:
    """Return the seconds that `skopeo copy` takes for the same images, one after another."""
    layout = Layout(folder / "oci")
    views = []
    for item in read_lock(lock).items:
        view = tmp_path / f"view-{item.name}"
        make_view(layout, item.digest or "", view)
        views.append((view, parse(item.reference).path))
    with RealRegistry(tmp_path / "skopeo") as registry:
        start = time.monotonic()
        for view, path in views:
            subprocess.run(
                [
                    *(find_skopeo(), "--insecure-policy", "copy", "--quiet"),
                    *("--preserve-digests", "--dest-tls-verify=false"),
                    *(f"dir:{view}", f"docker://{registry.address}/{path}:1"),
                ],
                check=True,
            )
        return time.monotonic() - start
