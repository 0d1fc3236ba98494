"""The lock against what a registry has, and against what the nodes hold."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

from infra.registry import Registry as Place
from infra.registry import parse
from stackyard.bundle.access import Access
from stackyard.bundle.layout import digest_of
from stackyard.bundle.lock import PUSHED, Lock
from stackyard.bundle.places import place_of
from stackyard.bundle.registry import Registry
from stackyard.errors import Trouble
from stackyard.kubernetes import Json, kubernetes_of
from stackyard.project import Stack


@dataclass(frozen=True)
class Difference:
    """Something that the lock and the world do not agree on; one that fails must not be."""

    where: str
    what: str
    fails: bool = True

    def told(self) -> dict[str, object]:
        return asdict(self)


def verify_registry(lock: Lock, place: Place, access: Access) -> list[Difference]:
    """Return what a registry lacks of a lock, or has under another digest."""
    found = []
    with Registry(access) as registry:
        for item in lock.of(*PUSHED):
            where = place_of(item, place)
            if item.digest is None:
                found.append(Difference(item.key, f"{item.reference} has no digest in the lock"))
                continue
            if registry.manifest(where.path, item.digest) is None:
                found.append(Difference(item.key, f"{where} is not there"))
                continue
            tagged = registry.manifest(where.path, where.tag) if where.tag else None
            if tagged is not None and digest_of(tagged[0]) != item.digest:
                means = digest_of(tagged[0])
                what = f"the tag {where.tag} means {means}, the lock says {item.digest}"
                found.append(Difference(item.key, what))
    return found


def verify_cluster(lock: Lock, stack: Stack) -> list[Difference]:
    """Return how the images of a cluster differ from a lock, both ways.

    What runs in the stack's namespaces and is not in the lock fails; what nodes merely hold, and
    what is in the lock and on no node, is told.
    """
    with kubernetes_of(stack) as cluster:
        nodes = list(cluster.items("/api/v1/nodes"))
        pods = list(cluster.items("/api/v1/pods"))
    ours = {stack.app_namespace, stack.models_namespace, "gpu-operator"}
    return list(differences(lock, nodes, pods, ours))


def differences(
    lock: Lock, nodes: list[Json], pods: list[Json], namespaces: set[str]
) -> Iterator[Difference]:
    """Yield the differences of a lock and a cluster's nodes and pods."""
    images = [item for item in lock.of("image") if item.digest is not None]
    if not images:
        message = "the lock has no image with a digest"
        raise Trouble(message, "stackyard bundle lock")
    wanted = {item.digest: item for item in images}
    running: set[str] = set()
    for pod in pods:
        meta, status = pod["metadata"], pod.get("status", {})
        if meta["namespace"] not in namespaces:
            continue
        statuses = status.get("containerStatuses", []) + status.get("initContainerStatuses", [])
        for each in statuses:
            digest = each.get("imageID", "").rpartition("@")[2]
            if digest and digest not in wanted and digest not in running:
                where = f"pod {meta['namespace']}/{meta['name']}"
                yield Difference(where, f"runs {each['image']} ({digest}), not in the lock")
            running.add(digest)
    held = _held(nodes)
    for digest, item in wanted.items():
        if digest not in held and digest not in running:
            yield Difference(item.key, f"{item.reference} is on no node", fails=False)
    locked_paths = {parse(item.reference).path for item in images}
    for digest, places in held.items():
        for node, name in sorted(places) if digest not in wanted else ():
            known = any(parse(name).path.endswith(path) for path in locked_paths)
            what = "another digest of an image of the lock" if known else "not in the lock"
            yield Difference(f"node {node}", f"holds {name}: {what}", fails=False)


def _held(nodes: list[Json]) -> dict[str, set[tuple[str, str]]]:
    """Return digest -> the nodes that hold it, and by which name."""
    held: dict[str, set[tuple[str, str]]] = {}
    for node in nodes:
        for image in node["status"].get("images", []):
            for name in image.get("names") or []:
                digest = name.partition("@")[2]
                if digest:
                    held.setdefault(digest, set()).add((node["metadata"]["name"], name))
    return held
