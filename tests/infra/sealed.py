"""A sealed stack for the tests: its settings, its files, and the lock of its bundle."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from infra.catalog import GPU_OPERATOR_IMAGES, NIM, QDRANT

HOST = "registry.corp.example"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
PASSWORD = {"registryPassword": "pull-secret"}
PROFILE = "p1"
ROLES = ("llm", "embedding", "ranking")


def digest(number: int) -> str:
    return f"sha256:{number:064x}"


def items(profiles: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return what a bundle with everything has, its models of the profiles of their roles."""
    images = {
        "qdrant": QDRANT,
        **{f"nim-{role}": image for role, image in NIM.items()},
        **{f"gpu-operator-{key}": image for key, image in GPU_OPERATOR_IMAGES.items()},
        **{
            name: f"stackyard.invalid/stackyard/{name}:tag"
            for name in ("app", "importer", "models")
        },
    }
    images["gpu-operator-driver-ubuntu24.04"] = images.pop("gpu-operator-driver") + "-ubuntu24.04"
    found = [
        {"kind": "image", "name": name, "reference": image, "digest": digest(number)}
        for number, (name, image) in enumerate(images.items(), 1)
    ]
    models = [
        {
            "kind": "model",
            "name": role,
            "reference": f"{NIM[role]}#{profiles.get(role, PROFILE)}",
            "digest": digest(100 + n),
        }
        for n, role in enumerate(ROLES)
    ]
    return [*found, *models]


def write_files(
    folder: Path, lacking: str = "", profiles: Mapping[str, str] = MappingProxyType({})
) -> dict[str, str]:
    """Write ca.crt and bundle.lock, and return the registry's settings that name them."""
    (folder / "ca.crt").write_text(CERTIFICATE)
    kept = [item for item in items(profiles) if item["name"] != lacking]
    (folder / "bundle.lock").write_text(json.dumps({"version": 1, "items": kept}))
    return {"ca": str(folder / "ca.crt"), "lock": str(folder / "bundle.lock")}


def sealed(folder: Path, **changed: Any) -> dict[str, Any]:
    """Return the settings of a sealed stack of NIMs, some of them changed or left out."""
    models: dict[str, Any] = {"kind": "nim", **{role: {"profile": PROFILE} for role in ROLES}}
    settings: dict[str, Any] = {
        "airgapped": True,
        "cluster": {
            "kind": "existing",
            "context": "c",
            "kubeconfig": __file__,
            "gpu": {"preinstalled": "driver-and-toolkit"},
        },
        "registry": {
            "host": HOST,
            "prefix": "rag",
            "mirrored": True,
            "username": "robot",
            **write_files(folder),
        },
        "network": {"allowed": ["10.0.0.10/32", "llm.corp.example:8443"]},
        "models": models,
    }
    return {**settings, **changed}
