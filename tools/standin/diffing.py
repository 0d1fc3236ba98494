"""Which properties differ, and which differences need a new object."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from tools.standin.objects import AUTONAMED, annotation, metadata
from tools.standin.wire import Manifest

REPLACE_UNREADY = "pulumi.com/replaceUnready"
Path = tuple[str | int, ...]
Change = Literal["add", "delete", "update"]

ALWAYS = ("apiVersion", "kind", "metadata.name", "metadata.namespace")
# Fields that the API server does not change in place, by kind.
FIXED: dict[str, tuple[str, ...]] = {
    "apps/Deployment": ("spec.selector",),
    "apps/DaemonSet": ("spec.selector",),
    "apps/ReplicaSet": ("spec.selector",),
    "apps/StatefulSet": (
        "spec.selector",
        "spec.serviceName",
        "spec.podManagementPolicy",
        "spec.volumeClaimTemplates",
    ),
    "batch/Job": ("spec.completions", "spec.selector", "spec.template", "spec.completionMode"),
    "/Service": ("spec.clusterIP",),
    "/Secret": ("type",),
    "rbac.authorization.k8s.io/RoleBinding": ("roleRef",),
    "rbac.authorization.k8s.io/ClusterRoleBinding": ("roleRef",),
    "storage.k8s.io/StorageClass": ("parameters", "provisioner", "reclaimPolicy"),
}
# The exception runs the other way here: nothing but these may change.
CHANGEABLE: dict[str, tuple[str, ...]] = {
    "/PersistentVolumeClaim": ("spec.resources", "spec.volumeAttributesClassName"),
    "/Pod": (
        "spec.containers[].image",
        "spec.initContainers[].image",
        "spec.activeDeadlineSeconds",
        "spec.tolerations",
    ),
}
# pulumi-kubernetes makes new ConfigMaps and Secrets unless told that they may change.
CONTENT: dict[str, tuple[str, ...]] = {
    "/ConfigMap": ("data", "binaryData"),
    "/Secret": ("data", "stringData"),
}


@dataclass(frozen=True)
class Difference:
    """One property that differs."""

    path: Path
    change: Change
    replaces: bool = False

    def __str__(self) -> str:
        text = ""
        for part in self.path:
            if isinstance(part, int):
                text += f"[{part}]"
            elif re.fullmatch(r"[A-Za-z_$][\w$]*", part):
                text += f".{part}" if text else part
            else:
                text += '["' + part.replace('"', '\\"') + '"]'
        return text


@dataclass(frozen=True)
class Mutability:
    """Whether the provider is set to change ConfigMaps and Secrets in place."""

    config_maps: bool = False
    secrets: bool = False


def differing(old: Any, new: Any, path: Path = ()) -> Iterator[tuple[Path, Change]]:
    """Yield the path of every leaf that differs."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from _entry(old.get(key), new.get(key), (*path, key))
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            before = old[index] if index < len(old) else None
            after = new[index] if index < len(new) else None
            yield from _entry(before, after, (*path, index))
    elif old != new or type(old) is not type(new):
        yield path, "update"


def _entry(old: Any, new: Any, path: Path) -> Iterator[tuple[Path, Change]]:
    if old is None and new is None:
        return
    if old is None:
        yield path, "add"  # {} too: emptyDir: {} is a setting, only null is none
    elif new is None:
        yield path, "delete"
    else:
        yield from differing(old, new, path)


def _spelled(path: Path) -> str:
    text = ""
    for part in path:
        text += "[]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _under(path: str, roots: tuple[str, ...]) -> bool:
    return any(path == root or path.startswith((f"{root}.", f"{root}[")) for root in roots)


def needs_replacement(path: Path, kind: str, immutable: bool, mutability: Mutability) -> bool:
    """Tell whether the API server would refuse this change to a live object."""
    spelled = _spelled(path)
    if _under(spelled, ALWAYS) or _under(spelled, FIXED.get(kind, ())):
        return True
    if kind in CHANGEABLE and _under(spelled, ("spec",)):
        return not _under(spelled, CHANGEABLE[kind])
    if kind in CONTENT and _under(spelled, CONTENT[kind]):
        mutable = mutability.config_maps if kind == "/ConfigMap" else mutability.secrets
        return immutable or not mutable
    return kind in CONTENT and immutable and spelled == "immutable"


def kind_key(manifest: Manifest) -> str:
    """Return group/kind: the rules hold for every version of a group."""
    group = str(manifest.get("apiVersion", "")).rpartition("/")[0]
    return f"{group}/{manifest.get('kind')}"


def differences(
    old: Manifest,
    new: Manifest,
    *,
    default_namespace: str,
    mutability: Mutability,
    patch: bool = False,
) -> list[Difference]:
    """Compare a resource's old and new inputs."""
    kind, immutable = kind_key(new), bool(old.get("immutable"))
    found = []
    for path, change in differing(old, new):
        if path == ("metadata", "namespace") and {
            metadata(old).get("namespace") or default_namespace,
        } == {metadata(new).get("namespace") or default_namespace}:
            continue  # the default, once spelled and once not
        if patch:
            replaces = _under(_spelled(path), ALWAYS)
        else:
            replaces = needs_replacement(path, kind, immutable, mutability)
        found.append(Difference(path, change, replaces))
    return found


def must_go_first(old: Manifest, new: Manifest) -> bool:
    """Tell whether the old object stands in its replacement's way: the name is fixed."""
    if annotation(new, AUTONAMED) == "true":
        return False
    return all(metadata(old).get(key) == metadata(new).get(key) for key in ("name", "namespace"))


def to_try_again(state: Manifest, new: Manifest) -> list[Difference]:
    """Return what has a failed Job made anew, as pulumi-kubernetes does where it is asked for."""
    conditions = (state.get("status") or {}).get("conditions") or []
    failed = any(each["type"] == "Failed" and each["status"] == "True" for each in conditions)
    if failed and new.get("kind") == "Job" and annotation(new, REPLACE_UNREADY) == "true":
        return [Difference(("status",), "update", replaces=True)]
    return []


def ignored(difference: Difference, paths: list[str]) -> bool:
    """Tell whether ignoreChanges covers the difference."""
    return any(
        str(difference) == path or str(difference).startswith((f"{path}.", f"{path}["))
        for path in paths
    )
