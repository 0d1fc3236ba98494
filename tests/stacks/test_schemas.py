"""Every object of every stack file, strictly against Kubernetes' own schema where it is at hand.

    go mod download k8s.io/kubernetes@v1.36.3
    STACKYARD_KUBERNETES_SCHEMAS=~/go/pkg/mod/k8s.io/kubernetes@v1.36.3/api/openapi-spec/swagger.json
Several files may be given, separated by colons. KEDA's own kind is checked where its module is:

    go mod download github.com/kedacore/keda/v2@v2.20.2
    STACKYARD_KEDA_SCHEMA=~/go/pkg/mod/github.com/kedacore/keda/v2@v2.20.2/config/crd/bases/keda.sh_scaledobjects.yaml
"""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.infra.conftest import Deploy, deploy, no_machine
from tests.stacks.test_stacks import FILES, NEEDED, kubeconfig, name_of, settings_of

__all__ = ["deploy", "kubeconfig", "no_machine"]  # fixtures

SCHEMAS = [each for each in os.environ.get("STACKYARD_KUBERNETES_SCHEMAS", "").split(":") if each]
TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}
Definition = dict[str, Any]
KEDA = os.environ.get("STACKYARD_KEDA_SCHEMA")
needs_kubernetes = pytest.mark.skipif(
    not SCHEMAS, reason="STACKYARD_KUBERNETES_SCHEMAS names no swagger.json"
)
needs_keda = pytest.mark.skipif(not KEDA, reason="STACKYARD_KEDA_SCHEMA names no definition")


@cache
def definitions(path: str) -> dict[str, Definition]:
    read: dict[str, Definition] = json.loads(Path(path).expanduser().read_text())["definitions"]
    return read


def kind_of(schema: dict[str, Definition], api_version: str, kind: str) -> Definition:
    group, _, version = api_version.rpartition("/")
    wanted = {"group": group, "version": version, "kind": kind}
    (found,) = [
        each
        for each in schema.values()
        if wanted in each.get("x-kubernetes-group-version-kind", [])
    ]
    return found


def problems(schema: dict[str, Definition], shape: Definition, value: Any, where: str) -> list[str]:
    """Return unknown fields, missing ones and wrong types."""
    if "$ref" in shape:
        return problems(schema, schema[shape["$ref"].rpartition("/")[2]], value, where)
    kind = shape.get("type")
    if kind == "string" and shape.get("format") == "int-or-string":
        return [] if isinstance(value, str | int) else [f"{where} is {value!r}"]
    if kind is not None and "properties" not in shape and not isinstance(value, TYPES[kind]):
        return [f"{where} is {value!r}, not a {kind}"]
    found = [f"{where} lacks {each}" for each in shape.get("required", []) if each not in value]
    if "properties" in shape:
        for key, each in value.items():
            if key not in shape["properties"]:
                found.append(f"{where} has no {key}")
            else:
                found += problems(schema, shape["properties"][key], each, f"{where}.{key}")
    elif kind == "array":
        for number, each in enumerate(value):
            found += problems(schema, shape["items"], each, f"{where}[{number}]")
    elif "additionalProperties" in shape:
        for key, each in value.items():
            found += problems(schema, shape["additionalProperties"], each, f"{where}.{key}")
    return found


def whole(value: Any) -> Any:
    """Return a value whose whole numbers are such; the engine's wire knows only one kind."""
    if isinstance(value, dict):
        return {key: whole(each) for key, each in value.items()}
    if isinstance(value, list):
        return [whole(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


@needs_keda
@pytest.mark.usefixtures("kubeconfig")
def test_keda_would_accept_every_scaled_object_strictly(deploy: Deploy) -> None:
    path = next(each for each in FILES if name_of(each) == "scaled")
    found = deploy(settings_of(path), secrets=NEEDED["scaled"], stack="scaled")
    objects = [whole(each.inputs) for each in found.of("ScaledObject")]
    crd = yaml.safe_load(Path(str(KEDA)).expanduser().read_text())
    (version,) = crd["spec"]["versions"]

    assert len(objects) == 3
    for each in objects:
        shape = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
        assert problems({}, shape, each["spec"], each["metadata"]["name"]) == []


@needs_kubernetes
@pytest.mark.usefixtures("kubeconfig")
@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_kubernetes_would_accept_every_object_strictly(deploy: Deploy, path: Path) -> None:
    name = name_of(path)
    settings = settings_of(path)
    if name == "existing":
        settings |= {"app": {"expose": "ClusterIP"}}
    found = deploy(settings, secrets=NEEDED.get(name, {}), stack=name)
    objects = [
        whole(each.inputs)
        for each in found.resources
        if "apiVersion" in each.inputs and not each.inputs["apiVersion"].startswith("keda.sh/")
    ]

    assert len(objects) > 10
    for schema in map(definitions, SCHEMAS):
        for each in objects:
            shape = kind_of(schema, each["apiVersion"], each["kind"])
            assert problems(schema, shape, each, f"{each['kind']}") == []
