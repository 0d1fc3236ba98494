"""Pure: what is wrong with the settings of GPUs: the nodes, the operator, what shares a GPU."""

import re
from collections.abc import Iterable

from infra.problems.telling import PROJECT, alias_of, hint, only
from infra.schema import Settings
from infra.schema.gpu_choices import has_nim, mig_models, operator_mode
from infra.schema.models import OPERATOR_VERSION, ROLES

PROFILE_OF_ALL = re.compile(r"all-\d+g\.\d+gb")
# what `oc login` calls its contexts: project/api-host:6443/user
OPENSHIFT_CONTEXT = re.compile(r"[^/]*/api-[^/]+:6443(/.*)?")


def gpu_problems(settings: Settings) -> Iterable[str]:
    """Return a problem for each combination that cannot work on GPUs."""
    yield from _openshift(settings)
    yield from _nodes(settings)
    yield from _places(settings)
    yield from _operator(settings)
    yield from _sharing(settings)
    yield from _nim_operator(settings)


def _openshift(settings: Settings) -> Iterable[str]:
    cluster = settings.cluster
    if cluster.kind != "existing":
        return
    if cluster.gpu.runtime == "openshift":
        key, said = "cluster.gpu.runtime", "openshift"
    elif cluster.context is not None and OPENSHIFT_CONTEXT.fullmatch(cluster.context):
        key, said = "cluster.context", cluster.context
    else:
        return
    yield (
        f"{PROJECT}:{key}: is '{said}'; OpenShift is not supported: its security context "
        "constraints refuse the fixed users of NIM and Qdrant, and nobody has run this there\n"
        f"{hint('cluster.context', 'ANOTHER')}"
    )


def _nodes(settings: Settings) -> Iterable[str]:
    cluster = settings.cluster
    if has_nim(settings) and cluster.kind == "eks" and not cluster.gpu_pools:
        yield (
            f"{PROJECT}:cluster.gpuPools: is not set; a role of kind 'nim' needs GPU nodes\n"
            f"{hint('cluster.gpuPools[0].instanceTypes[0]', 'g6e.2xlarge')}"
        )
    if cluster.kind == "existing" and has_nim(settings) and not cluster.gpu.node_selector:
        yield (
            f"{PROJECT}:cluster.gpu.nodeSelector: is empty; models would land on any node\n"
            f"""{hint('cluster.gpu.nodeSelector["nvidia.com/gpu.present"]', "true")}"""
        )
    for index, toleration in enumerate(cluster.gpu.tolerations):
        if (toleration.operator == "Equal") != (toleration.value is not None):
            yield (
                f"{PROJECT}:cluster.gpu.tolerations[{index}]: has operator "
                f"'{toleration.operator}'; a value belongs to 'Equal', and to nothing else"
            )


def _places(settings: Settings) -> Iterable[str]:
    """Return a problem for each role that might get a GPU that was meant for another."""
    cluster = settings.cluster
    pools = cluster.gpu_pools
    names = ", ".join(pool.name for pool in pools) or "the name of one of cluster.gpuPools"
    unequal = len({frozenset(pool.instance_types) for pool in pools}) > 1
    for name in ROLES:
        role, where = settings.models.role(name), f"models.{name}"
        if settings.models.kind_of(role) != "nim":
            continue
        if cluster.kind != "eks":
            if role.pool is not None:
                yield only(f"{where}.pool", role.pool, "cluster.kind 'eks'")
            continue
        if role.node_selector:
            yield only(f"{where}.nodeSelector", role.node_selector, "cluster.kind 'existing'")
        if role.pool is None and unequal:
            yield (
                f"{PROJECT}:{where}.pool: is not set; cluster.gpuPools have different instance "
                "types, and the scheduler counts GPUs, not their memory: it would put a model on "
                f"any of {names}\n{hint(f'{where}.pool', pools[0].name)}"
            )
        if role.pool is not None and role.pool not in {pool.name for pool in pools}:
            yield (
                f"{PROJECT}:{where}.pool: is '{role.pool}'; it may be {names}\n"
                f"{hint(f'{where}.pool', pools[0].name if pools else 'NAME')}"
            )


def _operator(settings: Settings) -> Iterable[str]:
    cluster, operator = settings.cluster, settings.gpu_operator
    if cluster.kind == "local":
        for field in sorted(operator.model_fields_set):
            alias = alias_of(type(operator), field)
            yield only(
                f"gpuOperator.{alias}",
                getattr(operator, field),
                "cluster.kind 'existing' or 'eks'",
            )
        return
    mode = operator_mode(settings)
    if mode == "install" and cluster.kind == "existing":
        if cluster.gpu.preinstalled == "operator":
            yield (
                f"{PROJECT}:gpuOperator.mode: is 'install'; cluster.gpu.preinstalled says that "
                f"one is there, and two of them fight\n{hint('gpuOperator.mode', 'adopt')}"
            )
        if cluster.scope == "namespace":
            yield (
                f"{PROJECT}:gpuOperator.mode: is 'install'; cluster.scope 'namespace' may not make "
                f"what it needs\n{hint('gpuOperator.mode', 'adopt')}"
            )
    if mode == "adopt" and cluster.kind == "eks":
        yield (
            f"{PROJECT}:gpuOperator.mode: is 'adopt'; a new EKS cluster has none\n"
            f"{hint('gpuOperator.mode', 'install')}"
        )
    if cluster.kind == "eks":
        for part in ("driver", "toolkit"):
            if getattr(operator, part):
                yield (
                    f"{PROJECT}:gpuOperator.{part}: is true; the nodes' image brings the {part}, "
                    f"and a second one breaks them\n{hint(f'gpuOperator.{part}', 'false')}"
                )
    if settings.registry.mirrored and operator.version != OPERATOR_VERSION:
        yield (
            f"{PROJECT}:gpuOperator.version: is '{operator.version}'; with registry.mirrored only "
            f"the images of '{OPERATOR_VERSION}' are known\n"
            f"{hint('gpuOperator.version', OPERATOR_VERSION)}"
        )
    if mode != "install":
        for field in sorted(operator.model_fields_set - {"mode"}):
            alias = alias_of(type(operator), field)
            yield only(
                f"gpuOperator.{alias}", getattr(operator, field), "gpuOperator.mode 'install'"
            )


def _sharing(settings: Settings) -> Iterable[str]:
    operator = settings.gpu_operator
    if operator.sharing == "timeSlicing" and operator.slices is None:
        yield (
            f"{PROJECT}:gpuOperator.slices: is not set; with gpuOperator.sharing 'timeSlicing' it "
            f"is how many pods share a GPU\n{hint('gpuOperator.slices', '2')}"
        )
    if operator.sharing == "mig" and operator.mig_profile is None:
        yield (
            f"{PROJECT}:gpuOperator.migProfile: is not set; with gpuOperator.sharing 'mig' it is "
            f"how a GPU is cut\n{hint('gpuOperator.migProfile', 'all-1g.10gb')}"
        )
    if operator.slices is not None and operator.sharing != "timeSlicing":
        yield only("gpuOperator.slices", operator.slices, "gpuOperator.sharing 'timeSlicing'")
    if operator.mig_profile is not None and operator.sharing != "mig":
        yield only("gpuOperator.migProfile", operator.mig_profile, "gpuOperator.sharing 'mig'")
    if operator.sharing == "mig":
        yield from _mig_at_aws(settings)


def _mig_at_aws(settings: Settings) -> Iterable[str]:
    profile = settings.gpu_operator.mig_profile
    for index, pool in enumerate(settings.cluster.gpu_pools):
        whole = [each for each in pool.instance_types if not mig_models([each])]
        if whole:
            yield (
                f"{PROJECT}:cluster.gpuPools[{index}].instanceTypes: has '{whole[0]}'; with "
                "gpuOperator.sharing 'mig' only A100, H100 and H200 can be cut\n"
                f"{hint(f'cluster.gpuPools[{index}].instanceTypes[0]', 'p5.4xlarge')}"
            )
        own = pool.ami == "bottlerocket"
        if own and profile is not None and not PROFILE_OF_ALL.fullmatch(profile):
            yield (
                f"{PROJECT}:gpuOperator.migProfile: is '{profile}'; Bottlerocket cuts every GPU of "
                f"a node alike\n{hint('gpuOperator.migProfile', 'all-1g.10gb')}"
            )


def _only_by_ours(settings: Settings) -> Iterable[str]:
    """Return a problem for each setting that the NIM operator's own pods would not heed."""
    models, why = settings.models, f"nimOperator.mode is '{settings.nim_operator.mode}'"
    if models.hours is not None:
        yield (
            f"{PROJECT}:models.hours: is set; {why}, and the NIM operator sets the number of "
            f"servers back to one\n{hint('nimOperator.mode', 'none')}"
        )
    for name in ROLES:
        role = models.role(name)
        if models.kind_of(role) != "nim":
            continue
        if role.scaling is not None:
            yield (
                f"{PROJECT}:models.{name}.scaling: is set; {why}, and the NIM operator sets the "
                f"number of servers back to one\n{hint('nimOperator.mode', 'none')}"
            )
        if role.artefact is not None and not settings.airgapped:  # sealed it is refused above
            yield (
                f"{PROJECT}:models.{name}.artefact: is '{role.artefact}'; {why}, and its files "
                f"would come by a Job of ours\n{hint('nimOperator.mode', 'none')}"
            )


def _nim_operator(settings: Settings) -> Iterable[str]:
    cluster, operator = settings.cluster, settings.nim_operator
    if not has_nim(settings):
        for field in sorted(operator.model_fields_set):
            alias = alias_of(type(operator), field)
            yield only(f"nimOperator.{alias}", getattr(operator, field), "models of kind 'nim'")
        return
    if operator.mode != "install":
        for field in sorted(operator.model_fields_set - {"mode"}):
            alias = alias_of(type(operator), field)
            yield only(
                f"nimOperator.{alias}", getattr(operator, field), "nimOperator.mode 'install'"
            )
    if operator.mode != "none" and cluster.scope == "namespace":
        yield (
            f"{PROJECT}:nimOperator.mode: is '{operator.mode}'; its pods have no seccomp profile, "
            "so the namespaces of cluster.scope 'namespace', which enforce the restricted Pod "
            f"Security standard, refuse them\n{hint('nimOperator.mode', 'none')}"
        )
    if operator.mode != "none" and settings.airgapped:
        yield (
            f"{PROJECT}:nimOperator.mode: is '{operator.mode}'; with airgapped the files come by a "
            f"Job of ours, not by its NIMCache\n{hint('nimOperator.mode', 'none')}"
        )
    if operator.mode != "none":
        yield from _only_by_ours(settings)
    if operator.mode != "none" and settings.policy.admission == "deny":
        yield (
            f"{PROJECT}:policy.admission: is 'deny'; the pods of the NIM operator break its rules, "
            f"because nimOperator.mode is '{operator.mode}'\n{hint('policy.admission', 'warn')}"
        )
    if operator.mode == "adopt" and cluster.kind == "eks":
        yield (
            f"{PROJECT}:nimOperator.mode: is 'adopt'; a new EKS cluster has none\n"
            f"{hint('nimOperator.mode', 'install')}"
        )
    if cluster.endpoint == "private" and operator.mode == "install" and operator.chart is None:
        yield (
            f"{PROJECT}:nimOperator.chart: is not set; with cluster.endpoint 'private' `up` runs "
            "inside of the network, where NVIDIA's chart repository is not reached\n"
            f"{hint('nimOperator.chart', './k8s-nim-operator-3.1.2.tgz')}"
        )
