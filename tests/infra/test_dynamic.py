"""The traps of dynamic providers: how the engine carries and finds them."""

import base64
import subprocess
import sys
from pathlib import Path

import pytest
from pulumi.dynamic import ResourceProvider
from pulumi.dynamic.dynamic import serialize_provider

from infra.clusters.kind import KindClusterProvider
from infra.clusters.local_registry import LocalRegistryProvider
from infra.components.generated_certificate import GeneratedCertificateProvider
from infra.components.generated_secret import GeneratedSecretProvider
from infra.components.image import ImageProvider
from infra.components.version_step import VersionStepProvider

ROOT = Path(__file__).parents[2]
PROVIDERS = [
    KindClusterProvider,
    LocalRegistryProvider,
    ImageProvider,
    GeneratedSecretProvider,
    GeneratedCertificateProvider,
    VersionStepProvider,
]
LOAD = "import base64, dill, sys; print(type(dill.loads(base64.b64decode(sys.argv[1]))).__name__)"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_provider_travels_by_name_so_a_change_of_its_code_is_no_change_of_the_stack(
    provider: type[ResourceProvider],
) -> None:
    carried = base64.b64decode(serialize_provider(provider()))

    assert len(carried) < 200
    assert provider.__module__.encode() in carried


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_provider_is_found_by_another_process_in_the_projects_folder(
    provider: type[ResourceProvider],
) -> None:
    command = [sys.executable, "-c", LOAD, serialize_provider(provider())]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == provider.__name__


def test_a_generated_key_is_long_and_new_each_time() -> None:
    first, second = (GeneratedSecretProvider().create({"purpose": "p"}).outs for _ in range(2))

    assert first is not None
    assert second is not None
    assert first["value"] != second["value"]
    assert len(first["value"]) >= 43


def test_a_generated_key_outlives_an_update() -> None:
    provider = GeneratedSecretProvider()
    old = {"purpose": "p", "value": "kept"}

    assert provider.diff("p", old, {"purpose": "p"}).changes is False
    assert provider.update("p", old, {"purpose": "q"}).outs == {"purpose": "q", "value": "kept"}
