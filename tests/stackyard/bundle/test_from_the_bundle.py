"""The sealed side: a bundle loads itself with Python and nothing else from outside."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from stackyard.bundle.files import tool_items, wheel_items
from tests.stackyard.bundle.conftest import Factory, Keys, Make, image_item, noise
from tests.stackyard.bundle.real_registry import RealRegistry

pytestmark = pytest.mark.integration
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


def test_a_bundle_loads_itself_on_a_machine_with_python_only(
    tmp_path: Path, factory: Factory, make: Make, keys: Keys
) -> None:
    reference = factory.publish(factory.image([noise(50_000, 20)], docker=True), "vendor/self:1")
    skopeo = next(item for item in tool_items(local=False, aws=False) if item.name == "skopeo")
    bundle = make(image_item("self", reference), *wheel_items(PYTHON, aws=False), skopeo)
    # the system's own, else that below the virtual environment: neither has our packages
    bare = Path("/usr/bin", f"python{PYTHON}")
    if not bare.exists():
        bare = Path(sys.base_prefix, "bin", bare.name)

    with RealRegistry(tmp_path / "site") as site:
        done = subprocess.run(
            [
                *(bare, bundle.folder / "stackyard.py", "bundle", "load", bundle.folder),
                *("--registry", f"{site.address}/rag", "--key", keys.public),
            ],
            env={"HOME": str(tmp_path / "home"), "PATH": "/nowhere"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    assert done.returncode == 0, done.stderr
    assert "1 items pushed" in done.stdout


def test_a_damaged_wheel_is_refused_before_it_is_run(
    tmp_path: Path, factory: Factory, make: Make
) -> None:
    reference = factory.publish(factory.image([noise(50_000, 21)]), "vendor/wheel:1")
    wheel = next(i for i in wheel_items(PYTHON, aws=False) if i.name.startswith("shellingham"))
    bundle = make(image_item("wheel", reference), wheel)
    (bundle.folder / "wheels" / wheel.reference).write_bytes(bytes(wheel.size or 0))

    done = subprocess.run(
        [sys.executable, bundle.folder / "stackyard.py", "bundle", "--help"],
        env={"HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert f"wheels/{wheel.reference} is damaged" in done.stderr


def test_differences_leave_out_the_tools_that_the_site_has_and_the_stand_in_is_marked(
    tmp_path: Path, make: Make
) -> None:
    tools = tool_items(local=False, aws=False, stand_in=True)
    plugin = next(item for item in tools if item.kind == "plugin")
    wheel = next(i for i in wheel_items(PYTHON, aws=False) if i.name.startswith("shellingham"))
    full = make(wheel, plugin)
    less = make(wheel, plugin, name="less", options=["--since", full.lock])

    done = subprocess.run(
        [sys.executable, less.folder / "stackyard.py", "bundle", "--help"],
        env={"HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=False,
    )

    manifest = json.loads((full.folder / "bundle.json").read_text())
    assert plugin.reference == "pulumi-resource-kubernetes@stand-in"
    assert plugin.reference in {each["reference"] for each in manifest["items"]}
    assert {"plugins/kubernetes.tar", f"wheels/{wheel.reference}"} <= manifest["files"].keys()
    assert not any((less.folder / name).exists() for name in ("wheels", "plugins", "tools"))
    assert done.returncode == 1
    assert f"wheels/{wheel.reference} is not in this bundle of differences" in done.stderr
