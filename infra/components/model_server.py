"""One model role on CPU: the NIM contract, served by local/models."""

from dataclasses import dataclass, replace

import pulumi
import pulumi_kubernetes as k8s

from infra.components.availability import budget, spread
from infra.components.generated_certificate import GeneratedCertificate
from infra.components.inside_tls import CERTIFICATE, KEY, shown
from infra.components.pod import Probes, Resources, container, pod_spec
from infra.components.scaling import Scaling
from infra.components.scope import SKIP_AWAIT, Scope
from infra.labels import labels, selector

PORT = 8000
PROBES = Probes(live="/v1/health/live", ready="/v1/health/ready", startup_seconds=240)
OVER_TLS = replace(PROBES, scheme="HTTPS")  # kubelet does not look at the certificate
# of NIM for LLMs, 1.x and 2.x, and of the server on CPU
NIM_TLS = {
    "NIM_SSL_MODE": "TLS",
    "NIM_SSL_CERTS_PATH": CERTIFICATE,
    "NIM_SSL_KEY_PATH": KEY,
}
GRACE_SECONDS = 30  # it finishes its answers for 25
LEAVE_SECONDS = 5  # until every node has heard that it is to go
core = k8s.core.v1


@dataclass(frozen=True, kw_only=True)
class ModelServerArgs:
    scope: Scope
    image: pulumi.Input[str]
    resources: Resources
    scaling: Scaling | None = None
    certificate: GeneratedCertificate | None = None  # where it speaks TLS


class ModelServer(pulumi.ComponentResource):
    """One role; its name is the role and the Service, `url` ends in /v1."""

    url: str

    def __init__(
        self, name: str, args: ModelServerArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stackyard:index:ModelServer", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        scope, several = args.scope, args.scaling is not None and args.scaling.max > 1
        if several:
            budget(name, scope=scope, component="model", parent=self)
        scheme = "http" if args.certificate is None else "https"
        volumes, mounts = shown(name, "model", scope, args.certificate, self)
        self.url = f"{scheme}://{name}.{scope.name}.svc:{PORT}/v1"
        account = core.ServiceAccount(
            f"{name}-account",
            metadata=scope.metadata(name, "model"),
            automount_service_account_token=False,
            opts=child,
        )
        core.Service(
            f"{name}-service",
            metadata=scope.metadata(name, "model", SKIP_AWAIT),
            spec=core.ServiceSpecArgs(
                selector=selector(name, scope.stack),
                ports=[core.ServicePortArgs(name="http", port=PORT, target_port="http")],
            ),
            opts=child,
        )
        k8s.apps.v1.Deployment(
            f"{name}-deployment",
            metadata=scope.metadata(name, "model"),
            spec=k8s.apps.v1.DeploymentSpecArgs(
                replicas=1 if args.scaling is None else None,  # else it is the autoscaler's
                # two of them at once would not fit a laptop
                strategy=one_at_a_time(args.scaling),
                selector=k8s.meta.v1.LabelSelectorArgs(match_labels=selector(name, scope.stack)),
                template=core.PodTemplateSpecArgs(
                    metadata=k8s.meta.v1.ObjectMetaArgs(labels=labels(name, "model", scope.stack)),
                    spec=pod_spec(
                        scope,
                        account=account.metadata.name,
                        grace_seconds=GRACE_SECONDS + (LEAVE_SECONDS if several else 0),
                        spread=spread(name, scope) if several else None,
                        containers=[
                            container(
                                name,
                                image=args.image,
                                port=PORT,
                                environment={
                                    "LOCAL_MODELS_ROLE": name,
                                    "LOCAL_MODELS_PORT": str(PORT),
                                    **(NIM_TLS if volumes else {}),
                                },
                                probes=OVER_TLS if volumes else PROBES,
                                resources=args.resources,
                                mounts=mounts,
                                leave_seconds=LEAVE_SECONDS if several else 0,
                            )
                        ],
                        volumes=volumes,
                    ),
                ),
            ),
            opts=child,
        )
        self.register_outputs({"url": self.url})


def one_at_a_time(scaling: Scaling | None) -> k8s.apps.v1.DeploymentStrategyArgs:
    """Replace a pod only after another has gone; of several, one after the other."""
    if scaling is None or scaling.max == 1:
        return k8s.apps.v1.DeploymentStrategyArgs(type="Recreate")
    return k8s.apps.v1.DeploymentStrategyArgs(
        type="RollingUpdate",
        rolling_update=k8s.apps.v1.RollingUpdateDeploymentArgs(max_surge=0, max_unavailable=1),
    )
