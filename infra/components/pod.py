"""What every pod of ours has in common: restricted, no token, read-only root, nothing to guess."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pulumi
import pulumi_kubernetes as k8s

from infra.clusters.cluster import GpuPlace
from infra.components.scope import Scope
from infra.schema.cluster import Toleration

NOBODY = 65532  # the user of our own images
GPU = "nvidia.com/gpu"
core = k8s.core.v1


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What a container asks for and may use at most."""

    cpu: str
    memory: str
    memory_limit: str
    cpu_limit: str = "2"
    gpus: int = 0

    def args(self) -> k8s.core.v1.ResourceRequirementsArgs:
        gpus = {GPU: str(self.gpus)} if self.gpus else {}
        return core.ResourceRequirementsArgs(
            requests={"cpu": self.cpu, "memory": self.memory, **gpus},
            limits={"cpu": self.cpu_limit, "memory": self.memory_limit, **gpus},
        )


@dataclass(frozen=True, kw_only=True)
class Probes:
    """The paths that kubelet asks, and how long a start may take."""

    live: str
    ready: str
    startup_seconds: int
    startup: str | None = None  # unset: live
    startup_period: int = 2
    scheme: Literal["HTTP", "HTTPS"] | None = None  # unset: HTTP


def probe(
    path: str, *, period: int, failures: int, scheme: str | None = None
) -> k8s.core.v1.ProbeArgs:
    """Return a probe of the container's port named http."""
    return core.ProbeArgs(
        http_get=core.HTTPGetActionArgs(path=path, port="http", scheme=scheme),
        period_seconds=period,
        timeout_seconds=5,
        failure_threshold=failures,
    )


def container(
    name: str,
    *,
    image: pulumi.Input[str],
    port: int,
    environment: Mapping[str, pulumi.Input[str]],
    probes: Probes,
    resources: Resources,
    mounts: Sequence[k8s.core.v1.VolumeMountArgs],
    writable_root: bool = False,
    arguments: Sequence[str] | None = None,
    command: Sequence[str] | None = None,
    leave_seconds: int = 0,
) -> k8s.core.v1.ContainerArgs:
    """Return a container that may write to its mounts and to /tmp, and nothing else.

    It goes on for `leave_seconds` after its Service has stopped sending to it, then it is told to
    end.
    """
    start = probe(
        probes.startup or probes.live,
        period=probes.startup_period,
        failures=probes.startup_seconds // probes.startup_period,
        scheme=probes.scheme,
    )
    return core.ContainerArgs(
        name=name,
        image=image,
        image_pull_policy="IfNotPresent",
        ports=[core.ContainerPortArgs(name="http", container_port=port)],
        env=[core.EnvVarArgs(name=key, value=value) for key, value in environment.items()],
        startup_probe=start,
        liveness_probe=probe(probes.live, period=20, failures=3, scheme=probes.scheme),
        readiness_probe=probe(probes.ready, period=5, failures=2, scheme=probes.scheme),
        args=list(arguments) if arguments else None,
        command=list(command) if command else None,
        lifecycle=(
            core.LifecycleArgs(
                pre_stop=core.LifecycleHandlerArgs(
                    sleep=core.SleepActionArgs(seconds=leave_seconds)
                )
            )
            if leave_seconds
            else None
        ),
        resources=resources.args(),
        security_context=restricted(writable_root=writable_root),
        volume_mounts=[*mounts, core.VolumeMountArgs(name="tmp", mount_path="/tmp")],
    )


def restricted(*, writable_root: bool = False) -> k8s.core.v1.SecurityContextArgs:
    """Return what the restricted Pod Security standard asks of a container, and a fixed root."""
    return core.SecurityContextArgs(
        allow_privilege_escalation=False,
        read_only_root_filesystem=not writable_root,
        run_as_non_root=True,
        capabilities=core.CapabilitiesArgs(drop=["ALL"]),
    )


def pod_spec(
    scope: Scope,
    *,
    account: pulumi.Input[str],
    containers: Sequence[k8s.core.v1.ContainerArgs],
    volumes: Sequence[k8s.core.v1.VolumeArgs] = (),
    user: int = NOBODY,
    grace_seconds: int = 30,
    init_containers: Sequence[k8s.core.v1.ContainerArgs] = (),
    place: GpuPlace | None = None,
    affinity: k8s.core.v1.AffinityArgs | None = None,
    restart_policy: str | None = None,
    pull_secrets: Sequence[k8s.core.v1.LocalObjectReferenceArgs] | None = None,
    spread: Sequence[k8s.core.v1.TopologySpreadConstraintArgs] | None = None,
    background: bool = False,
) -> k8s.core.v1.PodSpecArgs:
    """Return a pod that the restricted Pod Security standard lets in.

    `background`: nobody waits for its answer, so it has its place after those that answer.
    """
    priorities = scope.priorities
    return core.PodSpecArgs(
        priority_class_name=(
            None
            if priorities is None
            else (priorities.background if background else priorities.asking)
        ),
        service_account_name=account,
        automount_service_account_token=False,
        # a Service called hayhooks would set HAYHOOKS_PORT=tcp://... in every pod beside it
        enable_service_links=False,
        image_pull_secrets=pull_secrets or scope.pull_secrets,
        node_selector=place.node_selector if place else None,
        tolerations=[toleration(each) for each in place.tolerations] if place else None,
        affinity=affinity,
        topology_spread_constraints=spread,
        restart_policy=restart_policy,
        termination_grace_period_seconds=grace_seconds,
        security_context=core.PodSecurityContextArgs(
            run_as_non_root=True,
            run_as_user=user,
            run_as_group=user,
            fs_group=user,
            fs_group_change_policy="OnRootMismatch",
            seccomp_profile=core.SeccompProfileArgs(type="RuntimeDefault"),
        ),
        init_containers=list(init_containers) or None,
        containers=list(containers),
        volumes=[*volumes, core.VolumeArgs(name="tmp", empty_dir=core.EmptyDirVolumeSourceArgs())],
    )


def toleration(given: Toleration) -> k8s.core.v1.TolerationArgs:
    """Return a toleration as pods have it."""
    return core.TolerationArgs(
        key=given.key, operator=given.operator, value=given.value, effect=given.effect
    )


def secret_volume(name: str, secret: pulumi.Input[str]) -> k8s.core.v1.VolumeArgs:
    """Return a volume of a Secret's files, readable by the pod's group only."""
    return core.VolumeArgs(
        name=name, secret=core.SecretVolumeSourceArgs(secret_name=secret, default_mode=0o440)
    )


def claim_volume(name: str, claim: pulumi.Input[str]) -> k8s.core.v1.VolumeArgs:
    """Return a volume of a PersistentVolumeClaim."""
    source = core.PersistentVolumeClaimVolumeSourceArgs(claim_name=claim)
    return core.VolumeArgs(name=name, persistent_volume_claim=source)


def mount(name: str, path: str, *, read_only: bool = False) -> k8s.core.v1.VolumeMountArgs:
    """Return where a volume appears in a container."""
    return core.VolumeMountArgs(name=name, mount_path=path, read_only=read_only or None)
