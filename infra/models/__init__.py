"""Where the three model roles are served: each kind returns the same ModelEndpoint."""

from collections.abc import Callable, Mapping

import pulumi

from infra.components.generated_certificate import GeneratedCertificate
from infra.components.scaling import Scaling
from infra.components.scope import Scope
from infra.models.endpoint import ModelEndpoint
from infra.models.hosted import hosted_model, next_embedding, ocr
from infra.models.local import local_model
from infra.models.nim import NimPlace, nim_model
from infra.schema import ModelsSettings
from infra.schema.models import ROLES
from infra.settings import Secrets


def build_models(
    settings: ModelsSettings,
    secrets: Secrets,
    local: Callable[[], tuple[Scope, pulumi.Input[str]]],
    nim: Callable[[], NimPlace],
    scalings: Mapping[str, Scaling],
    certificates: Mapping[str, GeneratedCertificate],
    opts: pulumi.ResourceOptions,
) -> dict[str, ModelEndpoint]:
    """Return the endpoint of every role; `local` and `nim` make the place where one needs it."""
    kinds = {role: settings.kind_of(settings.role(role)) for role in ROLES}
    on_cpu = local() if "local" in kinds.values() else None
    on_gpu = nim() if "nim" in kinds.values() else None
    endpoints: dict[str, ModelEndpoint] = {}
    for role, kind in kinds.items():
        scaling, certificate = scalings.get(role), certificates.get(role)
        if kind == "local" and on_cpu is not None:
            endpoints[role] = local_model(role, *on_cpu, scaling, certificate, opts)
        elif kind == "nim" and on_gpu is not None:
            endpoints[role] = nim_model(
                role, settings.role(role), on_gpu, scaling, certificate, opts
            )
        else:
            endpoints[role] = hosted_model(role, settings.role(role), secrets)
    if settings.next_embedding is not None:
        endpoints["next_embedding"] = next_embedding(settings.next_embedding, secrets)
    if settings.ocr is not None:
        endpoints["ocr"] = ocr(settings.ocr, secrets)
    return endpoints
