"""One model role on GPUs by the NIM operator: NIMCache downloads, NIMService serves.

Same name, port and volume as by `Nim`. The operator's pods are no restricted ones, and its server
is given the key, which no policy lets it use.
"""

from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from infra.components.filling_job import HOURS, USER
from infra.components.nim import AWAIT_MINUTES, LIVE, PORT, READY, NimArgs
from infra.components.nim_download import DOWNLOADING, KEY, download_name
from infra.components.volume import data_volume
from infra.registry import parse

API = "apps.nvidia.com/v1alpha1"
# of the operator's own; its names are the resources'
SERVER_LABELS = ("app.kubernetes.io/name", "app.kubernetes.io/instance")
DOWNLOAD_LABELS = ("app.kubernetes.io/name",)
READY_STATE = {"pulumi.com/waitFor": "jsonpath={.status.state}=Ready"}
# the operator writes spec.resources.limits too
SHARED_FIELDS = {"pulumi.com/patchForce": "true"}
# by the operator; the volume is at a place of its own
SETS_ITSELF = {"NIM_CACHE_PATH", "NIM_SERVER_PORT", "NIM_HTTP_API_PORT", "NIM_JSONL_LOGGING"}


class NimService(pulumi.ComponentResource):
    """One role; its name is the role and the Service, `url` ends in /v1."""

    url: str

    def __init__(
        self, name: str, args: NimArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        # of the same type as Nim, so that the volume is the same resource for either provider
        super().__init__("stackyard:index:Nim", name, None, opts)
        scope = args.scope
        self.url = f"http://{name}.{scope.name}.svc:{PORT}/v1"
        volume = data_volume(
            f"{name}-cache",
            scope=scope,
            name=f"{name}-cache",
            component="model",
            storage=args.storage,
            storage_class=args.storage_class,
            access=args.access,
            protect=args.key is None,
            parent=self,
        )
        claim = {"create": False, "name": volume.metadata.name}
        before: list[pulumi.Resource] = [*args.after]
        key: pulumi.Input[str]
        store: dict[str, Any]
        if args.key is None:
            # 3.1.2 asks for a Secret even where there is nothing to download
            spare = k8s.core.v1.Secret(
                f"{name}-no-key",
                metadata=scope.metadata(f"{name}-no-key", "model"),
                string_data={KEY: "none"},
                opts=pulumi.ResourceOptions(parent=self),
            )
            key, store = spare.metadata.name.apply(str), {"pvc": claim}
            before.append(spare)
        else:
            cache = _resource(
                name,
                "NIMCache",
                download_name(name),
                cache_spec(args, args.key, claim),
                args,
                minutes=HOURS * 60,
                opts=pulumi.ResourceOptions(
                    parent=self,
                    depends_on=before,
                    # its image is immutable; the volume is ours and stays, and so do its files
                    # where only the Secret of its image has another name
                    replace_on_changes=["spec.source.ngc.modelPuller", "spec.source.ngc.model"],
                    delete_before_replace=True,
                ),
            )
            before.append(cache)  # which is awaited, so that the server finds its files
            key, store = args.key, {"nimCache": {"name": download_name(name)}}
            if args.profile is not None:
                store["nimCache"]["profile"] = args.profile
        minutes = args.startup_minutes + AWAIT_MINUTES
        _resource(
            name,
            "NIMService",
            name,
            service_spec(args, key, store),
            args,
            minutes=minutes,
            opts=pulumi.ResourceOptions(parent=self, depends_on=before),
        )
        self.register_outputs({"url": self.url})


def cache_spec(args: NimArgs, key: str, claim: dict[str, Any]) -> dict[str, Any]:
    """Return the spec of a NIMCache."""
    # without a profile it takes all that this cluster's GPUs can run; of these, those that fit
    model = (
        {"profiles": [args.profile]}
        if args.profile is not None
        else {"tensorParallelism": str(args.resources.gpus)}
    )
    source: dict[str, Any] = {"authSecret": key, "modelPuller": args.image, "model": model}
    if args.pull_secrets:
        source["pullSecret"] = args.pull_secrets[0].name  # it takes one: that of this image
    return {
        "source": {"ngc": source},
        "storage": {"pvc": claim},
        "resources": {"cpu": DOWNLOADING.cpu_limit, "memory": DOWNLOADING.memory_limit},
        "env": _env({**args.environment, **args.scope.outward.proxy}),
        **_place(args),
    }


def service_spec(args: NimArgs, key: pulumi.Input[str], store: dict[str, Any]) -> dict[str, Any]:
    """Return the spec of a NIMService."""
    repository, tag = image_parts(args.image)
    image: dict[str, Any] = {"repository": repository, "tag": tag, "pullPolicy": "IfNotPresent"}
    if args.pull_secrets:
        image["pullSecrets"] = [each.name for each in args.pull_secrets]
    resources = args.resources.args()
    seconds = args.startup_minutes * 60
    return {
        "image": image,
        "authSecret": key,
        "storage": {**store, "sharedMemorySizeLimit": args.shared_memory},
        "env": _env({**args.environment, **args.server_environment, **args.scope.outward.proxy}),
        "replicas": 1,
        # without the GPUs in it the pod gets none
        "resources": {"requests": resources.requests, "limits": resources.limits},
        "expose": {"service": {"type": "ClusterIP", "port": PORT}},
        "startupProbe": _probe(READY, period=10, failures=seconds // 10),
        "livenessProbe": _probe(LIVE, period=20, failures=3),
        "readinessProbe": _probe(READY, period=5, failures=2),
        **_place(args),
    }


def image_parts(image: str) -> tuple[str, str]:
    """Return repository and tag, which the operator joins by a colon again; a digest too."""
    reference = parse(image)
    path = f"{reference.host}/{reference.path}"
    if reference.digest is not None:
        algorithm, _, value = reference.digest.partition(":")
        return f"{path}@{algorithm}", value
    return path, reference.tag or "latest"


def server_labels(role: str) -> dict[str, str]:
    """Return the labels of a server's pods, by which it is reached."""
    return dict.fromkeys(SERVER_LABELS, role)


def download_labels(role: str) -> dict[str, str]:
    """Return the labels of a download's pods, by which it is let out."""
    return dict.fromkeys(DOWNLOAD_LABELS, download_name(role))


def _resource(
    role: str,
    kind: str,
    name: str,
    spec: dict[str, Any],
    args: NimArgs,
    *,
    minutes: int,
    opts: pulumi.ResourceOptions,
) -> k8s.apiextensions.CustomResource:
    scope = args.scope
    budget = pulumi.CustomTimeouts(create=f"{minutes}m", update=f"{minutes}m")
    return k8s.apiextensions.CustomResource(
        f"{role}-{kind.lower()}",
        api_version=API,
        kind=kind,
        metadata=scope.metadata(name, "model", {**READY_STATE, **SHARED_FIELDS}),
        spec=spec,
        opts=pulumi.ResourceOptions.merge(pulumi.ResourceOptions(custom_timeouts=budget), opts),
    )


def _place(args: NimArgs) -> dict[str, Any]:
    return {
        "nodeSelector": dict(args.gpu.node_selector),
        "tolerations": [each.named() for each in args.gpu.tolerations],
        "userID": USER,
        "groupID": USER,  # as by Nim, so that either reads what the other wrote
    }


def _env(environment: Mapping[str, str]) -> list[dict[str, str]]:
    return [
        {"name": key, "value": value}
        for key, value in environment.items()
        if key not in SETS_ITSELF
    ]


def _probe(path: str, *, period: int, failures: int) -> dict[str, Any]:
    check = {
        "httpGet": {"path": path, "port": "api"},
        "periodSeconds": period,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }
    return {"enabled": True, "probe": check}
