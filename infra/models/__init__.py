"""Where the three model roles are served: each kind returns the same ModelEndpoint."""

from collections.abc import Callable

import pulumi

from infra.components.scope import Scope
from infra.models.endpoint import ModelEndpoint
from infra.models.hosted import hosted_model
from infra.models.local import local_model
from infra.model_settings import ROLES
from infra.schema import ModelsSettings
from infra.settings import Secrets


def has_local(settings: ModelsSettings) -> bool:
    """Tell whether any role runs in the cluster."""
    return any(settings.kind_of(settings.role(role)) == "local" for role in ROLES)


def build_models(
    settings: ModelsSettings,
    secrets: Secrets,
    local: Callable[[], tuple[Scope, pulumi.Input[str]]],
    opts: pulumi.ResourceOptions,
) -> dict[str, ModelEndpoint]:
    """Return the endpoint of every role; `local` gives namespace and image where one is local."""
    place = local() if has_local(settings) else None
    return {
        role: local_model(role, *place, opts)
        if place is not None and settings.kind_of(settings.role(role)) == "local"
        else hosted_model(role, settings.role(role), secrets)
        for role in ROLES
    }
