"""Model roles on CPU in the cluster, of one image."""

import pulumi

from infra.components.generated_certificate import GeneratedCertificate
from infra.components.model_server import ModelServer, ModelServerArgs
from infra.components.pod import Resources
from infra.components.scaling import Scaling
from infra.components.scope import Scope
from infra.models.endpoint import ModelEndpoint

MODELS = {
    "llm": "stackyard/smollm2-135m-instruct",
    "embedding": "stackyard/all-minilm-l6-v2",
    "ranking": "stackyard/minilm-lexical-ranker",
}
DIMENSION = 384
# requests small enough for two cores beside the control plane, which asks for nearly one
RESOURCES = {
    "llm": Resources(cpu="200m", memory="448Mi", memory_limit="1536Mi"),
    "embedding": Resources(cpu="100m", memory="256Mi", memory_limit="1Gi"),
    "ranking": Resources(cpu="50m", memory="192Mi", memory_limit="1Gi"),
}


def local_model(
    role: str,
    scope: Scope,
    image: pulumi.Input[str],
    scaling: Scaling | None,
    certificate: GeneratedCertificate | None,
    opts: pulumi.ResourceOptions,
) -> ModelEndpoint:
    """Serve a role in the cluster."""
    args = ModelServerArgs(
        scope=scope,
        image=image,
        resources=RESOURCES[role],
        scaling=scaling,
        certificate=certificate,
    )
    server = ModelServer(role, args, opts)
    return ModelEndpoint(
        role=role,
        url=server.url,
        model=MODELS[role],
        dimension=DIMENSION if role == "embedding" else None,
    )
