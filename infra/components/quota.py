"""What the pods of a namespace may ask for in all: twice what the stack asks for, and some room."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from infra.components.pod import GPU, Resources
from infra.labels import labels

UNITS = {"Mi": 1, "Gi": 1024, "Ti": 1024 * 1024}
# a pod and the one that replaces it, both at once, of everything
GENERATIONS = 2
# what a person tries there, and `stackyard accept` and `airgap verify`
ROOM = Resources(cpu="1", memory="2Gi", memory_limit="4Gi")
ROOM_PODS = 10
# of a container that says nothing: a quota refuses one that has none
SMALL = {"cpu": "50m", "memory": "64Mi"}
SMALL_LIMIT = {"memory": "512Mi"}
core, meta = k8s.core.v1, k8s.meta.v1


@dataclass(frozen=True)
class Asked:
    """Pods of one kind: what each asks for, and how many there may be."""

    resources: Resources
    pods: int = 1


class Quota(pulumi.ComponentResource):
    """The quota of a namespace that is there; what goes into `namespace` comes after it.

    So it grows before the pods do. One that shrinks ends no pod: it refuses new ones above it,
    and twice what the stack asks for is room enough for those.
    """

    namespace: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        stack: str,
        namespace: pulumi.Input[str],
        asked: Sequence[Asked],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("stackyard:index:Quota", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        metadata = meta.ObjectMetaArgs(
            name="stackyard", namespace=namespace, labels=labels("stackyard", "quota", stack)
        )
        limits = core.LimitRange(
            f"{name}-defaults",
            metadata=metadata,
            spec=core.LimitRangeSpecArgs(
                limits=[
                    core.LimitRangeItemArgs(
                        type="Container", default=SMALL_LIMIT, default_request=SMALL
                    )
                ]
            ),
            opts=child,
        )
        quota = core.ResourceQuota(
            f"{name}-total",
            metadata=metadata,
            spec=core.ResourceQuotaSpecArgs(hard=hard(asked)),
            opts=child,
        )
        both = pulumi.Output.all(quota.metadata.namespace, limits.metadata.namespace)
        self.namespace = both.apply(lambda names: str(names[0]))
        self.register_outputs({})


def hard(asked: Sequence[Asked]) -> dict[str, str]:
    """Return the limits of a ResourceQuota. CPU limits are in none: they may be overcommitted."""
    counted = [*(Asked(e.resources, GENERATIONS * e.pods) for e in asked), Asked(ROOM)]
    gpus = sum(each.resources.gpus * each.pods for each in counted)
    return {
        "pods": str(ROOM_PODS + sum(each.pods for each in counted) - 1),
        "requests.cpu": f"{sum(millicores(e.resources.cpu) * e.pods for e in counted)}m",
        "requests.memory": f"{sum(mebibytes(e.resources.memory) * e.pods for e in counted)}Mi",
        "limits.memory": f"{sum(mebibytes(e.resources.memory_limit) * e.pods for e in counted)}Mi",
        **({f"requests.{GPU}": str(gpus)} if gpus else {}),
    }


def millicores(quantity: str) -> int:
    """Return thousandths of a CPU."""
    return int(quantity[:-1]) if quantity.endswith("m") else 1000 * int(quantity)


def mebibytes(quantity: str) -> int:
    """Return an amount of memory in MiB."""
    return int(quantity[:-2]) * UNITS[quantity[-2:]]
