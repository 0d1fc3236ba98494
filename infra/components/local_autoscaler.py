"""What scales model servers on a local cluster: Kubernetes' own autoscaler and a stand-in for KEDA.

KEDA is not to be had everywhere; local/models answers the same question in its place, for the same
HorizontalPodAutoscaler that KEDA would make.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from infra.components.pod import Probes, Resources, container, pod_spec
from infra.components.scaling import Scaling
from infra.components.scope import SKIP_AWAIT, Scope
from infra.labels import labels, selector

NAME, PORT = "model-metrics", 8443
GROUP, VERSION = "external.metrics.k8s.io", "v1beta1"
RESOURCES = Resources(cpu="20m", memory="64Mi", memory_limit="256Mi")
PROBES = Probes(live="/healthz", ready="/healthz", startup_seconds=60, scheme="HTTPS")
core, v2 = k8s.core.v1, k8s.autoscaling.v2


@dataclass(frozen=True, kw_only=True)
class LocalAutoscalerArgs:
    scope: Scope
    image: pulumi.Input[str]
    port: int  # of the servers
    scalings: Mapping[str, Scaling]  # by role


class LocalAutoscaler(pulumi.ComponentResource):
    """One metrics API for the cluster, and an autoscaler for each role."""

    def __init__(
        self, name: str, args: LocalAutoscalerArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stackyard:index:LocalAutoscaler", name, None, opts)
        self._serve(args)
        for role, scaling in args.scalings.items():
            self._pods(role, args)
            self._scale(role, scaling, args.scope)
        self.register_outputs({})

    def _serve(self, args: LocalAutoscalerArgs) -> None:
        """Answer external.metrics.k8s.io from what the servers' /v1/metrics say."""
        scope, child = args.scope, pulumi.ResourceOptions(parent=self)
        account = core.ServiceAccount(
            f"{NAME}-account",
            metadata=scope.metadata(NAME, "autoscaler"),
            automount_service_account_token=False,
            opts=child,
        )
        gauges = {
            f"{role}-{signal.name}": {
                "url": f"http://{pods_of(role)}.{scope.name}.svc:{args.port}/v1/metrics",
                "gauge": signal.gauge,
                "over": signal.over,
            }
            for role, scaling in args.scalings.items()
            for signal in scaling.signals
        }
        core.Service(
            f"{NAME}-service",
            metadata=scope.metadata(NAME, "autoscaler", SKIP_AWAIT),
            spec=core.ServiceSpecArgs(
                selector=selector(NAME, scope.stack),
                ports=[core.ServicePortArgs(name="http", port=443, target_port="http")],
            ),
            opts=child,
        )
        server = k8s.apps.v1.Deployment(
            f"{NAME}-deployment",
            metadata=scope.metadata(NAME, "autoscaler"),
            spec=k8s.apps.v1.DeploymentSpecArgs(
                replicas=1,
                selector=k8s.meta.v1.LabelSelectorArgs(match_labels=selector(NAME, scope.stack)),
                template=core.PodTemplateSpecArgs(
                    metadata=k8s.meta.v1.ObjectMetaArgs(
                        labels=labels(NAME, "autoscaler", scope.stack)
                    ),
                    spec=pod_spec(
                        scope,
                        account=account.metadata.name,
                        containers=[
                            container(
                                NAME,
                                image=args.image,
                                port=PORT,
                                arguments=["metrics-api", "--port", str(PORT)],
                                environment={"LOCAL_MODELS_GAUGES": json.dumps(gauges)},
                                probes=PROBES,
                                resources=RESOURCES,
                                mounts=[],
                            )
                        ],
                    ),
                ),
            ),
            opts=child,
        )
        k8s.apiregistration.v1.APIService(
            f"{NAME}-api",
            metadata=k8s.meta.v1.ObjectMetaArgs(
                name=f"{VERSION}.{GROUP}", labels=labels(NAME, "autoscaler", scope.stack)
            ),
            spec=k8s.apiregistration.v1.APIServiceSpecArgs(
                group=GROUP,
                version=VERSION,
                group_priority_minimum=100,
                version_priority=100,
                # its certificate is made at its start; what it tells is no secret
                insecure_skip_tls_verify=True,
                service=k8s.apiregistration.v1.ServiceReferenceArgs(
                    name=NAME, namespace=scope.namespace, port=443
                ),
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[server]),
        )

    def _pods(self, role: str, args: LocalAutoscalerArgs) -> None:
        """Give each ready server an address of its own: a Service alone would ask any of them."""
        core.Service(
            f"{pods_of(role)}-service",
            metadata=args.scope.metadata(pods_of(role), "model", SKIP_AWAIT),
            spec=core.ServiceSpecArgs(
                cluster_ip="None",
                selector=selector(role, args.scope.stack),
                ports=[core.ServicePortArgs(name="http", port=args.port, target_port="http")],
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _scale(self, role: str, scaling: Scaling, scope: Scope) -> None:
        v2.HorizontalPodAutoscaler(
            f"{role}-scaling",
            # it is ready once it has read a metric, which a new server has not at once
            metadata=scope.metadata(role, "model", SKIP_AWAIT),
            spec=v2.HorizontalPodAutoscalerSpecArgs(
                scale_target_ref=v2.CrossVersionObjectReferenceArgs(
                    api_version="apps/v1", kind="Deployment", name=role
                ),
                min_replicas=scaling.min,
                max_replicas=scaling.max,
                behavior=_behaviour(scaling),
                metrics=[
                    v2.MetricSpecArgs(
                        type="External",
                        external=v2.ExternalMetricSourceArgs(
                            metric=v2.MetricIdentifierArgs(name=f"{role}-{signal.name}"),
                            target=v2.MetricTargetArgs(
                                type="AverageValue" if signal.over == "sum" else "Value",
                                average_value=signal.target if signal.over == "sum" else None,
                                value=signal.target if signal.over == "average" else None,
                            ),
                        ),
                    )
                    for signal in scaling.signals
                ],
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )


def pods_of(role: str) -> str:
    """Return the name of the Service that has an address for each server of a role."""
    return f"{role}-servers"


def _behaviour(scaling: Scaling) -> k8s.autoscaling.v2.HorizontalPodAutoscalerBehaviorArgs:
    given = scaling.behaviour()
    up, down = (
        v2.HPAScalingRulesArgs(
            stabilization_window_seconds=given[way].get("stabilizationWindowSeconds"),
            policies=[
                v2.HPAScalingPolicyArgs(
                    type=each["type"], value=each["value"], period_seconds=each["periodSeconds"]
                )
                for each in given[way]["policies"]
            ],
        )
        for way in ("scaleUp", "scaleDown")
    )
    return v2.HorizontalPodAutoscalerBehaviorArgs(scale_up=up, scale_down=down)
