"""Pure: who speaks TLS inside of the cluster, under which names, and who does not and why."""

from infra.schema import Settings
from infra.schema.edge_choices import inside_hosts
from infra.schema.gpu_choices import nim_operator_mode
from infra.schema.models import ROLES
from infra.schema.scaling_choices import scaled_roles

BY_METRICS = "its servers are scaled by metrics that are read in plain HTTP"
BY_OPERATOR = "a NIMService of the NIM operator has no place for a certificate"
BY_IMAGE = "its NIM is not known to speak TLS itself"


def plain_roles(settings: Settings) -> dict[str, str]:
    """Return role and reason of the models in the cluster that speak plain HTTP in spite of it."""
    if settings.network.tls.mode == "none":
        return {}
    found: dict[str, str] = {}
    for role in ROLES:
        kind = settings.models.kind_of(settings.models.role(role))
        if kind == "hosted":
            continue
        if role in scaled_roles(settings):
            found[role] = BY_METRICS
        elif kind == "nim" and nim_operator_mode(settings) != "none":
            found[role] = BY_OPERATOR
        elif kind == "nim" and role != "llm":
            found[role] = BY_IMAGE
    return found


def tls_hosts(settings: Settings, stack: str) -> dict[str, list[str]]:
    """Return each service with a certificate, and the names that it is for."""
    if settings.network.tls.mode == "none":
        return {}
    nodes, plain = settings.qdrant.nodes, plain_roles(settings)
    peers = [f"qdrant-{each}.qdrant-peers" for each in range(nodes)] if nodes > 1 else []
    found = {"qdrant": [*inside_hosts("qdrant", f"rag-{stack}"), *peers]}
    for role in ROLES:
        if settings.models.kind_of(settings.models.role(role)) != "hosted" and role not in plain:
            found[role] = inside_hosts(role, f"models-{stack}")
    return found
