"""KEDA: what reads the metrics of model servers and drives a HorizontalPodAutoscaler of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from infra.catalog import KEDA
from infra.components.chart_release import chart_release
from infra.components.namespaces import SECURITY
from infra.components.pull_secret import PullCredentials, pull_secret
from infra.components.scaling import Scaling, Signal
from infra.components.scope import Scope
from infra.components.unfinished_release import KubeAccess
from infra.labels import labels
from infra.registry import parse
from infra.schema import KedaSettings
from infra.schema.hours import cron

POLL_SECONDS = 15
IDLE_SECONDS = 300  # without a request after hours, before the last server goes


@dataclass(frozen=True, kw_only=True)
class KedaArgs:
    stack: str
    settings: KedaSettings
    images: dict[str, str]  # key of the values -> image in the private registry, if there is one
    credentials: PullCredentials | None
    access: KubeAccess
    after: Sequence[pulumi.Resource] = ()  # what its images come from


class Keda(pulumi.ComponentResource):
    """One KEDA of the cluster; `release` is there before an object of its kinds is made."""

    release: k8s.helm.v3.Release

    def __init__(
        self, name: str, args: KedaArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stackyard:index:Keda", name, None, opts)
        namespace = k8s.core.v1.Namespace(
            f"{name}-namespace",
            metadata=k8s.meta.v1.ObjectMetaArgs(
                name=args.settings.namespace,
                labels={**labels(name, "namespace", args.stack), **SECURITY},
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(args.after)),
        )
        secret = pull_secret(
            f"{name}-pull", args.stack, namespace.metadata.name, args.credentials, parent=self
        )
        self.release = chart_release(
            name,
            release="keda",
            chart=KEDA,
            given=args.settings.chart,
            version=args.settings.version,
            namespace=namespace.metadata.name,
            values=values(args.images, secret),
            access=args.access,
            minutes=10,
            parent=self,
        )
        self.register_outputs({})


def values(images: dict[str, str], pull_secret: object | None) -> dict[str, Any]:
    """Return the chart's values, only what differs from the defaults of chart 2.20.2."""
    result: dict[str, Any] = {
        # it would only check what our settings have checked: one image and one webhook less
        "webhooks": {"enabled": False},
        "image": {"pullPolicy": "IfNotPresent"},
    }
    for key, image in images.items():
        reference = parse(image)
        part = {"registry": reference.host, "repository": reference.path}
        if reference.digest is not None:
            part["tag"] = f"{reference.tag or KEDA.version}@{reference.digest}"  # behind a colon
        result["image"][key] = part
    if pull_secret is not None:
        result["imagePullSecrets"] = [{"name": pull_secret}]
    return result


def scaled_object(
    role: str, *, scope: Scope, url: str, scaling: Scaling, opts: pulumi.ResourceOptions
) -> k8s.apiextensions.CustomResource:
    """Let KEDA scale the Deployment of a role; `url` is that of its metrics."""
    return k8s.apiextensions.CustomResource(
        f"{role}-scaling",
        api_version="keda.sh/v1alpha1",
        kind="ScaledObject",
        metadata=scope.metadata(role, "model"),
        spec=scaled_object_spec(role, url, scaling),
        opts=opts,
    )


def scaled_object_spec(role: str, url: str, scaling: Scaling) -> dict[str, Any]:
    """Return the spec of a ScaledObject, whose texts KEDA wants to be texts."""
    hours = scaling.hours
    triggers = [_trigger(signal, url) for signal in scaling.signals]
    if hours is not None:
        triggers.append(
            {
                "type": "cron",
                "name": "hours",
                "metadata": {
                    "timezone": hours.time_zone,
                    "start": cron(hours.start, hours.days),
                    "end": cron(hours.end, hours.days),
                    "desiredReplicas": str(scaling.min),
                },
            }
        )
    return {
        "scaleTargetRef": {"name": role},
        "minReplicaCount": scaling.min if hours is None else 0,
        "maxReplicaCount": scaling.max,
        "pollingInterval": POLL_SECONDS,
        "cooldownPeriod": IDLE_SECONDS,
        # else a stack that is brought up after hours has no server before it is looked at
        "initialCooldownPeriod": IDLE_SECONDS,
        "advanced": {
            "horizontalPodAutoscalerConfig": {"name": role, "behavior": scaling.behaviour()}
        },
        "triggers": triggers,
    }


def _trigger(signal: Signal, url: str) -> dict[str, Any]:
    return {
        "type": "metrics-api",
        "name": signal.name,
        "metricType": "AverageValue" if signal.over == "sum" else "Value",
        "metadata": {
            "url": url,
            "format": "prometheus",
            "valueLocation": signal.gauge,
            "targetValue": signal.target,
            # each ready pod behind the Service is asked, not whichever answers
            "aggregateFromKubeServiceEndpoints": "true",
            "aggregationType": signal.over,
        },
    }
