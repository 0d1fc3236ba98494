"""One model role on CPU: the NIM contract, served by local/models."""

from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from infra.components.pod import Probes, Resources, container, pod_spec
from infra.components.scope import SKIP_AWAIT, Scope
from infra.labels import labels, selector

PORT = 8000
PROBES = Probes(live="/v1/health/live", ready="/v1/health/ready", startup_seconds=240)
core = k8s.core.v1


@dataclass(frozen=True, kw_only=True)
class ModelServerArgs:
    scope: Scope
    image: pulumi.Input[str]
    resources: Resources


class ModelServer(pulumi.ComponentResource):
    """One role; its name is the role and the Service, `url` ends in /v1."""

    url: str

    def __init__(
        self, name: str, args: ModelServerArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stackyard:index:ModelServer", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        scope = args.scope
        self.url = f"http://{name}.{scope.name}.svc:{PORT}/v1"
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
                replicas=1,
                # two of them at once would not fit a laptop
                strategy=k8s.apps.v1.DeploymentStrategyArgs(type="Recreate"),
                selector=k8s.meta.v1.LabelSelectorArgs(match_labels=selector(name, scope.stack)),
                template=core.PodTemplateSpecArgs(
                    metadata=k8s.meta.v1.ObjectMetaArgs(labels=labels(name, "model", scope.stack)),
                    spec=pod_spec(
                        scope,
                        account=account.metadata.name,
                        containers=[
                            container(
                                name,
                                image=args.image,
                                port=PORT,
                                environment={
                                    "LOCAL_MODELS_ROLE": name,
                                    "LOCAL_MODELS_PORT": str(PORT),
                                },
                                probes=PROBES,
                                resources=args.resources,
                                mounts=[],
                            )
                        ],
                    ),
                ),
            ),
            opts=child,
        )
        self.register_outputs({"url": self.url})
