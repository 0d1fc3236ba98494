"""Pure: what is wrong with how many servers and nodes a stack asks for."""

from collections.abc import Iterable

from infra.problems.telling import PROJECT, alias_of, hint, only, shown
from infra.schema import ModelSettings, RoleScaling, Settings
from infra.schema.cluster import EKS_CLASS
from infra.schema.models import ROLES
from infra.schema.scaling import KEDA_VERSION
from infra.schema.scaling_choices import keda_mode, metrics_of, store_copies

SHARED = "ReadWriteMany"


def scaling_problems(settings: Settings) -> Iterable[str]:
    """Return a problem for each combination that cannot be scaled."""
    models = settings.models
    for name in ROLES:
        role = models.role(name)
        if role.scaling is not None and models.kind_of(role) != "hosted":
            yield from _role(settings, name, role, role.scaling)
    yield from _hours(settings)
    yield from _keda(settings)
    yield from _store(settings)


def _role(
    settings: Settings, name: str, role: ModelSettings, scaling: RoleScaling
) -> Iterable[str]:
    where = f"models.{name}.scaling"
    if scaling.min > scaling.max:
        yield (
            f"{PROJECT}:{where}.max: is {scaling.max}; it must be at least {where}.min "
            f"{scaling.min}\n{hint(f'{where}.max', str(scaling.min))}"
        )
    if name != "llm" and "cache_use" in scaling.model_fields_set:
        yield only(f"{where}.cacheUse", scaling.cache_use, "models.llm, which has a KV cache")
    if settings.models.kind_of(role) != "nim":
        return
    if scaling.metrics is None and role.image and metrics_of(name, role.image) is None:
        yield (
            f"{PROJECT}:{where}.metrics: is not set; the tag of models.{name}.image '{role.image}' "
            f"does not say whose names its metrics have\n{hint(f'{where}.metrics', 'vllm')}"
        )
    if scaling.max > 1:
        yield from _shared_files(settings, name, role, scaling.max)


def _shared_files(
    settings: Settings, name: str, role: ModelSettings, servers: int
) -> Iterable[str]:
    where = f"models.{name}"
    if settings.cluster.kind == "eks":
        if role.cache_access != SHARED or role.cache_storage_class in (None, EKS_CLASS):
            yield (
                f"{PROJECT}:{where}.scaling.max: is {servers}; servers on several nodes read one "
                f"volume, and the class that the program makes is EBS, which has no {SHARED}. "
                "First `up` without scaling, then make a class that has it (EFS; "
                "docs/guides/scaling.md), "
                f"then set cluster.addedStorageClasses, {where}.cacheStorageClass, {where}."
                f"cacheAccess {SHARED} and this\n{hint(f'{where}.scaling.max', '1')}"
            )
    elif role.cache_access != SHARED:
        yield (
            f"{PROJECT}:{where}.cacheAccess: is '{role.cache_access}'; with {where}.scaling.max "
            f"{servers} servers on several nodes read one volume, which needs a storage class with "
            f"{SHARED} (EFS, FSx, CephFS, NFS, Longhorn)\n"
            f"{hint(f'{where}.cacheAccess', SHARED)}"
        )


def _hours(settings: Settings) -> Iterable[str]:
    models, hours = settings.models, settings.models.hours
    if hours is None:
        return
    kinds = {models.kind_of(models.role(name)) for name in ROLES}
    if "nim" not in kinds:
        for field in sorted(hours.model_fields_set) or ["start"]:
            alias = alias_of(type(hours), field)
            yield only(f"models.hours.{alias}", getattr(hours, field), "roles of kind 'nim'")
    if hours.start >= hours.end:
        yield (
            f"{PROJECT}:models.hours.end: is '{hours.end}'; it must be later on the same day than "
            f"models.hours.start '{hours.start}'\n{hint('models.hours.end', '19:00')}"
        )
    if settings.cluster.kind == "eks":
        yield from _mornings(settings)
    if len(set(hours.days)) != len(hours.days):
        yield f"{PROJECT}:models.hours.days: has a day twice; each may be there once"


def _mornings(settings: Settings) -> Iterable[str]:
    """Return a problem for each volume whose zone may have no node when the hours begin."""
    cluster, models = settings.cluster, settings.models
    why = "with models.hours nodes come in any of them each morning, and the volume of a model"
    told: set[int] = set()
    for name in ROLES:
        role = models.role(name)
        if models.kind_of(role) != "nim" or role.cache_access == SHARED:
            continue
        own = {
            index: pool.zones or cluster.zones
            for index, pool in enumerate(cluster.gpu_pools)
            if role.pool in (None, pool.name)
        }
        wide = {index: zones for index, zones in own.items() if len(zones) > 1}
        for index, zones in wide.items():
            if index not in told:
                where, given = f"cluster.gpuPools[{index}].zones", cluster.gpu_pools[index].zones
                fix = (
                    f"      hint: pulumi config rm --path '{PROJECT}:{where}[1]'"
                    if given
                    else hint(f"{where}[0]", zones[0])
                )
                yield (
                    f"{PROJECT}:{where}: is {shown(given) if given else 'not set'}; it may have "
                    f"one zone only: {why} (EBS) stays in one\n{fix}"
                )
        told |= wide.keys()
        if not wide and len({tuple(zones) for zones in own.values()}) > 1:
            pools = ", ".join(cluster.gpu_pools[index].name for index in own)
            yield (
                f"{PROJECT}:models.{name}.pool: is not set; {pools} are in different zones: {why} "
                f"(EBS) stays in one\n{hint(f'models.{name}.pool', cluster.gpu_pools[0].name)}"
            )


def _keda(settings: Settings) -> Iterable[str]:
    keda, mode = settings.keda, keda_mode(settings)
    if mode == "none":
        needed = "cluster.kind 'existing' or 'eks' with models.<role>.scaling or models.hours"
        for field in sorted(keda.model_fields_set):
            yield only(f"keda.{alias_of(type(keda), field)}", getattr(keda, field), needed)
        return
    if mode == "adopt":
        for field in sorted(keda.model_fields_set - {"mode", "namespace"}):
            alias = alias_of(type(keda), field)
            yield only(f"keda.{alias}", getattr(keda, field), "keda.mode 'install'")
        return
    if settings.cluster.scope == "namespace":
        yield (
            f"{PROJECT}:keda.mode: is 'install'; cluster.scope 'namespace' may not make what it "
            f"needs\n{hint('keda.mode', 'adopt')}"
        )
    if settings.registry.mirrored and keda.version != KEDA_VERSION:
        yield (
            f"{PROJECT}:keda.version: is '{keda.version}'; with registry.mirrored only the images "
            f"of '{KEDA_VERSION}' are known\n{hint('keda.version', KEDA_VERSION)}"
        )
    if settings.cluster.endpoint == "private" and keda.chart is None:
        yield (
            f"{PROJECT}:keda.chart: is not set; with cluster.endpoint 'private' `up` runs inside "
            f"of the network, where KEDA's chart repository is not reached\n"
            f"{hint('keda.chart', f'./keda-{KEDA_VERSION}.tgz')}"
        )


def _store(settings: Settings) -> Iterable[str]:
    qdrant = settings.qdrant
    if qdrant.nodes > 1 and settings.cluster.kind == "local":
        yield only("qdrant.nodes", qdrant.nodes, "cluster.kind 'existing' or 'eks'")
    if qdrant.nodes == 2:
        yield (
            f"{PROJECT}:qdrant.nodes: is 2; two nodes agree on nothing when one of them is gone\n"
            f"{hint('qdrant.nodes', '3')}"
        )
    system = settings.cluster.system_pool
    if settings.cluster.kind == "eks" and qdrant.nodes > system.min:
        yield (
            f"{PROJECT}:cluster.systemPool.min: is {system.min}; each of the {qdrant.nodes} of "
            "qdrant.nodes has a machine of its own, and none of them is a GPU node\n"
            f"{hint('cluster.systemPool.min', str(qdrant.nodes))}\n"
            f"{hint('cluster.systemPool.desired', str(max(qdrant.nodes, system.desired)))}"
        )
    if store_copies(settings) > qdrant.nodes:
        yield (
            f"{PROJECT}:qdrant.copies: is {qdrant.copies}; it may be at most qdrant.nodes "
            f"{qdrant.nodes}, because each copy is on a node of its own\n"
            f"{hint('qdrant.copies', str(qdrant.nodes))}"
        )
