"""A load that is killed at random moments ends, run again, in the very same registry.

STACKYARD_KILLS sets how often; `make figures` runs 20 and keeps what it saw in bench/results.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.results import circumstances
from tests.stackyard.bundle.conftest import Factory, Keys, Made, Make, image_item, noise
from tests.stackyard.bundle.real_registry import RealRegistry

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]
KILLS = int(os.environ.get("STACKYARD_KILLS", "3"))
REPORT = os.environ.get("STACKYARD_KILLS_REPORT")
LAYERS = 4
LAYER = 20_000_000 if REPORT else 6_000_000


def command(bundle: Made, keys: Keys, site: RealRegistry) -> list[str]:
    return [
        *(sys.executable, "-m", "stackyard", "bundle", "load", str(bundle.folder)),
        *("--registry", f"{site.address}/rag", "--key", str(keys.public), "--json"),
    ]


def test_a_load_killed_at_random_moments_ends_in_the_same_registry(
    tmp_path: Path, factory: Factory, make: Make, keys: Keys
) -> None:
    shared = noise(LAYER, 100)
    items = []
    for number in range(LAYERS):
        image = factory.image([shared, noise(LAYER, number)], docker=number % 2 == 0)
        items.append(
            image_item(f"killed-{number}", factory.publish(image, f"vendor/killed-{number}:1"))
        )
    bundle = make(*items)
    with RealRegistry(tmp_path / "whole") as whole:
        start = time.monotonic()
        subprocess.run(command(bundle, keys, whole), check=True, capture_output=True)
        took = time.monotonic() - start
    moments = random.Random(KILLS)
    killed: list[dict[str, float | int | bool]] = []
    for number in range(KILLS):
        with RealRegistry(tmp_path / f"cut-{number}") as cut:
            after = moments.uniform(0.3, 1.0) * took
            process = subprocess.Popen(
                command(bundle, keys, cut), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            try:
                process.wait(after)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
            left = {
                "seconds": round(after, 2),
                "blobs": len(cut.blobs()),
                "recorded": any("stackyard/bundle/_manifests" in name for name in cut.content()),
            }
            subprocess.run(command(bundle, keys, cut), check=True, capture_output=True)
            same = cut.content() == whole.content() and cut.blobs() == whole.blobs()
            killed.append({**left, "identical": same})
        shutil.rmtree(tmp_path / f"cut-{number}")

    assert all(each["identical"] for each in killed), killed
    # some were really cut off, and what was there then was called a bundle by nothing
    assert any(not each["recorded"] for each in killed), killed
    if REPORT:
        figures = {
            **circumstances("make figures"),
            "bytes": LAYER * (LAYERS + 1),
            "blobs": len(whole.blobs()),
            "seconds_uninterrupted": round(took, 2),
            "kills": killed,
        }
        Path(REPORT).write_text(json.dumps(figures, indent=1) + "\n")
