"""The ways in, strictly against what Kubernetes, Gateway API and cert-manager publish."""

from pathlib import Path
from typing import Any

import pytest

from tests.infra.conftest import Deploy, deploy, no_machine
from tests.infra.test_edge import GATEWAY, INGRESS, existing, passing
from tests.infra.test_gpu_settings import KEY
from tests.infra.test_inside_tls import GPUS, TLS
from tests.stacks.openapi import problems, whole
from tests.stacks.published import KUBERNETES, custom_kind, definitions
from tests.stacks.test_schemas import kind_of

__all__ = ["deploy", "no_machine"]  # fixtures

pytestmark = pytest.mark.engine  # of this tier because it may download
SEVERAL = {**GPUS, "qdrant": {"nodes": 3}}


@pytest.mark.parametrize("app", [INGRESS, passing(INGRESS)], ids=["ends TLS", "passes it on"])
def test_kubernetes_would_accept_the_ingress_strictly(
    deploy: Deploy, tmp_path: Path, app: dict[str, Any]
) -> None:
    made = whole(deploy(existing(tmp_path, app))["rag-door-ingress"].inputs)

    for minor in KUBERNETES:
        schema = definitions(minor)
        shape = kind_of(schema, "networking.k8s.io/v1", "Ingress")
        assert problems(schema, shape, made, f"{minor} Ingress") == []


@pytest.mark.parametrize("settings", [{}, SEVERAL], ids=["laptop", "several nodes"])
def test_kubernetes_would_accept_what_speaks_tls_inside_strictly(
    deploy: Deploy, settings: dict[str, Any]
) -> None:
    found = deploy({**settings, **TLS}, secrets=KEY if settings else {})
    objects = [whole(each.inputs) for each in found.resources if "apiVersion" in each.inputs]

    assert "inside-tls" in str(objects)
    for minor in KUBERNETES:
        schema = definitions(minor)
        for each in objects:
            shape = kind_of(schema, each["apiVersion"], each["kind"])
            assert problems(schema, shape, each, f"{minor} {each['kind']}") == []


@pytest.mark.parametrize(
    ("app", "name", "kind"),
    [
        (GATEWAY, "rag-door-route", "HTTPRoute"),
        (passing(GATEWAY), "rag-door-route", "TLSRoute"),
        (INGRESS, "rag-tls-certificate", "Certificate"),
    ],
)
def test_its_own_definition_would_accept_a_custom_object_strictly(
    deploy: Deploy, tmp_path: Path, app: dict[str, Any], name: str, kind: str
) -> None:
    made = whole(deploy(existing(tmp_path, app))[name].inputs)
    shape = custom_kind(kind)["properties"]["spec"]

    assert made["kind"] == kind
    assert problems({}, shape, made["spec"], kind) == []
    assert problems({}, shape, {**made["spec"], "hots": 1}, kind) == [f"{kind} has no hots"]
