"""Every stack file that we hand out, run through the whole program."""

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.problems.of_settings import known_keys
from infra.schema import SECRETS
from tests.infra.conftest import Deploy, deploy, no_machine
from tests.infra.sealed import PASSWORD, write_files

__all__ = ["deploy", "no_machine"]  # fixtures

ROOT = Path(__file__).parents[2]
FILES = [ROOT / "Pulumi.dev.yaml", *sorted((ROOT / "examples").glob("Pulumi.*.yaml"))]
# what the comments at the top of a file ask for
NEEDED = {
    "hosted": {"nvidiaApiKey": "nvapi-test"},
    "eks": {"ngcApiKey": "nvapi-ngc"},
    "onprem": {"ngcApiKey": "nvapi-ngc"},
    "scaled": {"ngcApiKey": "nvapi-ngc"},
    "airgapped": PASSWORD,
}


@cache
def files_of_a_sealed_site() -> dict[str, str]:
    return write_files(Path(tempfile.mkdtemp()), profiles=profiles_of_a_sealed_site())


def profiles_of_a_sealed_site() -> dict[str, str]:
    """Return the profile of each role of the example."""
    config = yaml.safe_load((ROOT / "examples/Pulumi.airgapped.yaml").read_text())["config"]
    models = config["stackyard:models"]
    return {role: given["profile"] for role, given in models.items() if role != "kind"}


def settings_of(path: Path) -> dict[str, Any]:
    config = yaml.safe_load(path.read_text()).get("config") or {}
    settings = {key.removeprefix("stackyard:"): value for key, value in config.items()}
    registry = settings.get("registry", {})
    if "lock" in registry:  # and the authorities: they lie beside a stack's file
        settings["registry"] = {**registry, **files_of_a_sealed_site()}
    return settings


@pytest.fixture
def kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the existing cluster of the examples its kubeconfig."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube/config").write_text("{}")


def name_of(path: Path) -> str:
    return path.name.split(".")[1]


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_stack_file_sets_only_what_exists_and_no_secret(path: Path) -> None:
    settings = settings_of(path)

    assert settings.keys() <= set(known_keys()) - SECRETS.keys()


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_stack_file_sets_something(path: Path) -> None:
    # as it writes its salt, Pulumi drops a config that is empty and with it the file's comment
    assert settings_of(path)


@pytest.mark.usefixtures("kubeconfig")
@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_stack_file_deploys_and_exports_an_address_a_key_and_its_images(
    deploy: Deploy,
    path: Path,
) -> None:
    name = name_of(path)

    if name == "existing":
        settings = settings_of(path) | {"app": {"expose": "ClusterIP"}}
    else:
        settings = settings_of(path)
    found = deploy(settings, secrets=NEEDED.get(name, {}), stack=name)

    assert found.exports["url"].startswith(("http://", "https://"))
    assert "apiKey" in found.secret_exports
    assert found.exports["inventory"]
    assert ("kubeconfig" in found.exports) == (
        name not in ("airgapped", "existing", "onprem", "scaled")
    )


@pytest.mark.usefixtures("kubeconfig")
def test_an_existing_cluster_gets_no_kind_and_no_registry(
    deploy: Deploy,
) -> None:
    settings = settings_of(ROOT / "examples/Pulumi.existing.yaml")
    secrets = {"registryPassword": "pull-secret"}
    settings["registry"] |= {"username": "robot", "mirrored": True}
    settings["app"] = {"expose": "NodePort", "url": "https://rag.example.com"}

    found = deploy(settings, secrets=secrets, stack="prod")

    assert not found.of("KindCluster") + found.of("LocalRegistry") + found.of("StorageClass")
    assert found.exports["url"] == "https://rag.example.com"
    assert found["app-image"].inputs["path"] == "team-a/stackyard/app"
    assert found["kubernetes"].inputs["context"] == "my-cluster"
    qdrant = found.pods["qdrant"]
    assert qdrant["containers"][0]["image"] == (
        "registry.example.com/team-a/qdrant/qdrant:v1.19.0-unprivileged"
    )
    assert qdrant["imagePullSecrets"] == [{"name": "rag-pull-auto"}]
    pull = found["rag-pull"]
    assert pull.inputs["type"] == "kubernetes.io/dockerconfigjson"
    assert "pull-secret" in pull.inputs["stringData"][".dockerconfigjson"]
    assert "pull-secret" not in str(pull.shown)


def test_two_stacks_side_by_side_share_no_name_and_no_port(
    deploy: Deploy,
) -> None:
    ports, names = [], []
    for stack in ("dev", "e2e"):
        found = deploy(stack=stack)
        cluster = found["cluster"].inputs
        ports += [cluster["urlPort"], cluster["apiPort"], found["registry"].inputs["port"]]
        names += [cluster["name"], found["registry"].inputs["name"], cluster["volumes"]]
        names += [each.inputs["metadata"]["name"] for each in found.of("Namespace")]

    assert len(set(ports)) == len(ports)
    assert len(set(names)) == len(names)
