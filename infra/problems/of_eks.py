"""Pure: what is wrong with the settings of an EKS cluster."""

import ipaddress
from collections import Counter
from collections.abc import Iterable

from infra.problems.telling import PROJECT, hint, only, shown
from infra.schema import Settings
from infra.schema.cluster import EKS_CLASS
from infra.schema.gpu_choices import operator_mode
from infra.schema.models import ROLES, is_nvidia

WHOLE_INTERNET = 8  # a prefix this short is no list of one's own addresses


def eks_problems(settings: Settings) -> Iterable[str]:
    """Return a problem for each combination that cannot work at AWS."""
    if settings.cluster.kind != "eks":
        return
    yield from _place(settings)
    yield from _endpoint(settings)
    yield from _pools(settings)
    yield from _classes(settings)
    yield from _imports(settings)
    if settings.cluster.endpoint == "private":
        yield from _without_internet(settings)


def _place(settings: Settings) -> Iterable[str]:
    cluster = settings.cluster
    if cluster.account is None:
        yield (
            f"{PROJECT}:cluster.account: is not set; with cluster.kind 'eks' it is the account "
            "that may be changed, and no other is\n"
            f"{hint('cluster.account', '$(aws sts get-caller-identity --query Account)')}"
        )
    if cluster.region is None:
        yield (
            f"{PROJECT}:cluster.region: is not set; with cluster.kind 'eks' it is where the "
            f"cluster is made\n{hint('cluster.region', 'eu-central-1')}"
        )
        return
    if len(set(cluster.zones)) < 2:
        yield (
            f"{PROJECT}:cluster.zones: is {shown(cluster.zones)}; EKS needs two or three zones of "
            f"{cluster.region}\n{hint('cluster.zones[0]', f'{cluster.region}a')}"
        )
    for zone in cluster.zones:
        if zone[:-1] != cluster.region:
            yield (
                f"{PROJECT}:cluster.zones: has '{zone}'; it is no zone of cluster.region "
                f"'{cluster.region}'\n{hint('cluster.zones[0]', f'{cluster.region}a')}"
            )
    if len(set(cluster.zones)) != len(cluster.zones):
        yield f"{PROJECT}:cluster.zones: is {shown(cluster.zones)}; each zone may be there once"


def _endpoint(settings: Settings) -> Iterable[str]:
    cluster = settings.cluster
    public = cluster.endpoint == "public"
    if not public and "nat" in cluster.model_fields_set:
        yield only("cluster.nat", cluster.nat, "cluster.endpoint 'public'")
    if not cluster.endpoint_cidrs:
        where = "" if public else ", in the network or one that you connect (docs/guides/eks.md)"
        yours = "YOUR.PUBLIC.ADDRESS.HERE/32" if public else cluster.vpc_cidr
        yield (
            f"{PROJECT}:cluster.endpointCidrs: is not set; with cluster.endpoint "
            f"'{cluster.endpoint}' it is who may reach the API server{where}\n"
            f"{hint('cluster.endpointCidrs[0]', yours)}"
        )
    for block in cluster.endpoint_cidrs:
        try:
            network = ipaddress.ip_network(block)
        except ValueError as error:
            yield f"{PROJECT}:cluster.endpointCidrs: has '{block}'; {error}"
            continue
        if network.prefixlen < WHOLE_INTERNET:
            yield (
                f"{PROJECT}:cluster.endpointCidrs: has '{block}'; that opens the API server to "
                "the internet\n"
                f"{hint('cluster.endpointCidrs[0]', 'YOUR.PUBLIC.ADDRESS.HERE/32')}"
            )


def _pools(settings: Settings) -> Iterable[str]:
    cluster = settings.cluster
    sizes = {"systemPool": cluster.system_pool} | {
        f"gpuPools[{index}]": pool for index, pool in enumerate(cluster.gpu_pools)
    }
    for key, pool in sizes.items():
        if not pool.min <= pool.desired <= pool.max:
            yield (
                f"{PROJECT}:cluster.{key}.desired: is {pool.desired}; it must be from min "
                f"{pool.min} to max {pool.max}\n{hint(f'cluster.{key}.desired', str(pool.min))}"
            )
        for zone in pool.zones:
            if zone not in cluster.zones:
                yield (
                    f"{PROJECT}:cluster.{key}.zones: has '{zone}'; it may have "
                    f"{', '.join(cluster.zones) or 'those of cluster.zones'}\n"
                    f"{hint(f'cluster.{key}.zones[0]', 'ZONE')}"
                )
    # a group refills the zone that has lost its only node, so one a zone keeps each volume's zone
    system = cluster.system_pool
    zones = len(system.zones or cluster.zones)
    if system.min < zones:
        yield (
            f"{PROJECT}:cluster.systemPool.min: is {system.min}; the volumes of Qdrant and of the "
            f"app (EBS) are in one zone each, and a node is sure to be there only with one in each "
            f"of the {zones}, or in a pool of fewer zones\n"
            f"{hint('cluster.systemPool.min', str(zones))}\n"
            f"{hint('cluster.systemPool.desired', str(max(zones, system.desired)))}"
        )
    names = Counter(pool.name for pool in cluster.gpu_pools)
    for name in [name for name, count in names.items() if count > 1 or name == "system"]:
        yield (
            f"{PROJECT}:cluster.gpuPools: has '{name}' twice or as a GPU pool; each pool needs a "
            "name of its own, and 'system' is the CPU pool's"
        )
    if len({pool.ami for pool in cluster.gpu_pools}) > 1:
        yield (
            f"{PROJECT}:cluster.gpuPools: has pools of al2023 and of bottlerocket; one GPU "
            "operator cannot serve both, because Bottlerocket brings its own device plugin\n"
            f"{hint('cluster.gpuPools[0].ami', 'al2023')}"
        )


def _imports(settings: Settings) -> Iterable[str]:
    """Return a problem for each role whose files a pod would pull from the account's registry."""
    for name in ROLES if settings.registry.host is None else ():
        role, where = settings.models.role(name), f"models.{name}"
        why = (
            "a pod would pull its files from the account's registry (ECR), where pods have no "
            "login; fill the volume yourself, or name a registry.host that has them"
        )
        if settings.models.kind_of(role) != "nim":
            continue
        if role.artefact is not None:
            yield (
                f"{PROJECT}:{where}.artefact: is '{role.artefact}'; {why}\n"
                f"      hint: pulumi config rm --path '{PROJECT}:{where}.artefact'"
            )
        elif settings.airgapped and not role.preloaded:
            yield (
                f"{PROJECT}:{where}.preloaded: is false; with airgapped 'true' {why}\n"
                f"{hint(f'{where}.preloaded', 'true')}"
            )


def _classes(settings: Settings) -> Iterable[str]:
    """Return a problem for each storage class that nobody has made: its volume would wait."""
    there = [EKS_CLASS, *settings.cluster.added_storage_classes]
    named = {
        f"models.{role}.cacheStorageClass": settings.models.role(role).cache_storage_class
        for role in ROLES
    } | {"backup.storageClass": settings.backup.storage_class}
    for where, name in named.items():
        if name is not None and name not in there:
            yield (
                f"{PROJECT}:{where}: is '{name}'; it may be {', '.join(there)}: a new cluster has "
                "no other, so bring it up without this, make the class in it "
                "(docs/guides/scaling.md), then name it\n"
                f"{hint(f'cluster.addedStorageClasses[{len(there) - 1}]', name)}"
            )


def _without_internet(settings: Settings) -> Iterable[str]:
    """A private cluster has no way out: everything must be inside of the network already."""
    registry, models = settings.registry, settings.models
    if not registry.mirrored:
        yield (
            f"{PROJECT}:registry.mirrored: is false; with cluster.endpoint 'private' nodes reach "
            f"no public registry\n{hint('registry.mirrored', 'true')}"
        )
    for name in ROLES:
        role = models.role(name)
        # a sealed stack's come from the registry, as does its chart
        imported = role.artefact is not None or settings.airgapped
        if models.kind_of(role) == "nim" and not role.preloaded and not imported:
            yield (
                f"{PROJECT}:models.{name}.preloaded: is false; with cluster.endpoint 'private' "
                f"nothing can be downloaded\n{hint(f'models.{name}.preloaded', 'true')}"
            )
        if models.kind_of(role) == "hosted" and (role.url is None or is_nvidia(role.url)):
            yield (
                f"{PROJECT}:models.{name}.kind: is 'hosted' by NVIDIA; with cluster.endpoint "
                f"'private' it is not reached\n{hint(f'models.{name}.kind', 'nim')}"
            )
    chart = settings.gpu_operator.chart is not None or settings.airgapped
    if operator_mode(settings) == "install" and not chart:
        yield (
            f"{PROJECT}:gpuOperator.chart: is not set; with cluster.endpoint 'private' `up` runs "
            "inside of the network, where NVIDIA's chart repository is not reached\n"
            f"{hint('gpuOperator.chart', './gpu-operator-v26.7.0.tgz')}"
        )
