"""What others publish and our tests compare with, out of Go modules: kept by content.

The kinds of Gateway API (the first release in which a TLSRoute is no experiment), of cert-manager
and of KEDA.
Kubernetes' OpenAPI of each minor version that the GPU operator supports, and NVIDIA's own chart at
the newest commit that is to be had as a module; a newer chart may be given by its path.
"""

import json
import os
import shutil
import subprocess
import tempfile
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tools import golang
from tools.builds import KEDA_VERSION
from tools.cache import Recipe, content_key
from tools.keda import source as keda

# version and checksum of k8s.io/kubernetes for each minor version
KUBERNETES = {
    "1.33": ("v1.33.13", "h1:bmH31xUdSzeA5vk0wZAK9MZp11mdLuzUSeKk0qN3hPQ="),
    "1.34": ("v1.34.4", "h1:Yy6R4QB8C9kJPp25GFqEvX5XQwY5qzKeqD0Xx6oAcmk="),
    "1.35": ("v1.35.4", "h1:o/8dBC/pHVpYoGV4OAIytAlNPZbdYVTXJHoYvXC4qzM="),
    "1.36": ("v1.36.3", "h1:qDQdoMiluAE2Eab6Fa52YV+WjiGz9mZFFoagEA6cI+o="),
}
SWAGGER = "api/openapi-spec/swagger.json"
# of 17 September 2025, before v25.10: the module has no newer one
GPU_OPERATOR = (
    "v0.0.0-20250917190837-d73a0086a6ba",
    "h1:LoeqwWjR0h2WRyHXmyYCPVwM/dAdKKxjE8LzyyeuqHI=",
)
CHART = "deployments/gpu-operator/"
GATEWAY_API = (
    "sigs.k8s.io/gateway-api",
    "v1.5.1",
    "h1:RqVRIlkhLhUO8wOHKTLnTJA6o/1un4po4/6M1nRzdd0=",
)
CERT_MANAGER = (
    "github.com/cert-manager/cert-manager",
    "v1.21.2",
    "h1:UWgoYM+KLNtRlqmoWOKjKBOBUPVHeepQ6/ac3ERJW68=",
)
KEDA = (keda.MODULE, f"v{KEDA_VERSION}", keda.CHECKSUM)
# kind -> its module, the file in there that defines it, and the version that we write
DEFINED = {
    "HTTPRoute": (
        GATEWAY_API,
        "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml",
        "v1",
    ),
    "TLSRoute": (GATEWAY_API, "config/crd/standard/gateway.networking.k8s.io_tlsroutes.yaml", "v1"),
    "Certificate": (CERT_MANAGER, "deploy/crds/cert-manager.io_certificates.yaml", "v1"),
    "ScaledObject": (KEDA, "config/crd/bases/keda.sh_scaledobjects.yaml", "v1alpha1"),
}


@cache
def definitions(minor: str) -> dict[str, dict[str, Any]]:
    """Return the types of a minor version of Kubernetes, by their names."""
    pinned = KUBERNETES[minor]

    def make(folder: Path) -> str:
        with (
            tempfile.TemporaryDirectory() as scratch,
            _module("k8s.io/kubernetes", *pinned, scratch) as zipped,
        ):
            (name,) = [each for each in zipped.namelist() if each.endswith(f"/{SWAGGER}")]
            (folder / "definitions.json").write_text(
                json.dumps(json.loads(zipped.read(name))["definitions"])
            )
        return "out of a Go module"

    entry = Recipe(name="kubernetes-types", key=content_key(minor, *pinned), make=make).ensure()
    read: dict[str, dict[str, Any]] = json.loads((entry.folder / "definitions.json").read_text())
    return read


def custom_kind(kind: str) -> dict[str, Any]:
    """Return the schema of a kind's version that we write."""
    pinned, own, written = DEFINED[kind]
    files = [file for module, file, _ in DEFINED.values() if module == pinned]

    def make(folder: Path) -> str:
        with tempfile.TemporaryDirectory() as scratch, _module(*pinned, scratch) as zipped:
            for file in files:
                (name,) = [each for each in zipped.namelist() if each.endswith(f"/{file}")]
                (folder / file.rpartition("/")[2]).write_bytes(zipped.read(name))
        return "out of a Go module"

    entry = Recipe(name="custom-kinds", key=content_key(*pinned, *files), make=make).ensure()
    crd = yaml.safe_load((entry.folder / own.rpartition("/")[2]).read_text())
    (version,) = [each for each in crd["spec"]["versions"] if each["name"] == written]
    assert version["served"]
    found: dict[str, Any] = version["schema"]["openAPIV3Schema"]
    return found


def gpu_operator_chart() -> Path:
    """Return the chart's folder, or the file that STACKYARD_GPU_OPERATOR_CHART names."""
    given = os.environ.get("STACKYARD_GPU_OPERATOR_CHART")
    if given:
        return Path(given)

    def make(folder: Path) -> str:
        with (
            tempfile.TemporaryDirectory() as scratch,
            _module("github.com/NVIDIA/gpu-operator", *GPU_OPERATOR, scratch) as zipped,
        ):
            for name in zipped.namelist():
                _, found, inside = name.partition(f"/{CHART}")
                if found:
                    (folder / inside).parent.mkdir(parents=True, exist_ok=True)
                    (folder / inside).write_bytes(zipped.read(name))
        return "out of a Go module"

    return (
        Recipe(name="gpu-operator-chart", key=content_key(*GPU_OPERATOR), make=make).ensure().folder
    )


def _module(path: str, version: str, checksum: str, scratch: str) -> zipfile.ZipFile:
    """Download a module into a folder of its own and compare its checksum."""
    cached = {**os.environ, "GOMODCACHE": scratch, "GOFLAGS": "-modcacherw -mod=mod"}
    done = subprocess.run(
        [golang.compiler("kind"), "mod", "download", "-json", f"{path}@{version}"],
        cwd=scratch,
        env=cached,
        capture_output=True,
        text=True,
        check=False,
    )
    said = json.loads(done.stdout or "{}")
    assert done.returncode == 0, said.get("Error", done.stderr)
    assert said["Sum"] == checksum, said
    shutil.rmtree(said["Dir"])
    return zipfile.ZipFile(said["Zip"])
