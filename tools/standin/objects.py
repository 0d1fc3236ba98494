"""Names and kinds of Kubernetes objects, as inputs give them."""

from typing import Any, Final

from tools.standin.wire import Manifest

AUTONAMED: Final = "pulumi.com/autonamed"
SKIP_AWAIT: Final = "pulumi.com/skipAwait"
TIMEOUT_SECONDS: Final = "pulumi.com/timeoutSeconds"
PATCH_FORCE: Final = "pulumi.com/patchForce"
PATCH_FIELD_MANAGER: Final = "pulumi.com/patchFieldManager"
DELETION_PROPAGATION: Final = "pulumi.com/deletionPropagationPolicy"
WAIT_FOR: Final = "pulumi.com/waitFor"

# The SDK spells the extension fields of a CRD's schema with underscores.
UNDERSCORED, DASHED = "x_kubernetes_", "x-kubernetes-"


def urn_name(urn: str) -> str:
    """Return the logical name at the end of a URN."""
    return urn.split("::", 3)[-1]


def urn_type(urn: str) -> str:
    """Return the resource's own type token, without its parents'."""
    return urn.split("::", 3)[2].rsplit("$", 1)[-1]


def api_of(token: str) -> tuple[str, str]:
    """Return apiVersion and kind of a type token: kubernetes:apps/v1:Deployment."""
    _, api, kind = token.split(":", 2)
    return api.removeprefix("core/"), kind


def is_patch(token: str) -> bool:
    """Tell whether the resource changes fields of an object that belongs to others."""
    kind = token.rsplit(":", 1)[-1]
    return kind.endswith("Patch") and kind != "Patch"


def with_api(inputs: Manifest, token: str) -> Manifest:
    """Return the object with its apiVersion and kind filled in from the type token."""
    api, kind = api_of(token)
    kind = kind.removesuffix("Patch") if is_patch(token) else kind
    return {"apiVersion": api, "kind": kind, **inputs}


def metadata(manifest: Manifest) -> Manifest:
    """Return the object's metadata, or an empty one."""
    found = manifest.get("metadata")
    return found if isinstance(found, dict) else {}


def annotation(manifest: Manifest, name: str) -> str:
    """Return one annotation, or nothing."""
    return str((metadata(manifest).get("annotations") or {}).get(name, ""))


def name_of(manifest: Manifest) -> str:
    """Return the object's name."""
    return str(metadata(manifest).get("name", ""))


def identifier(manifest: Manifest) -> str:
    """Return the resource id: namespace/name, or the name alone."""
    namespace = metadata(manifest).get("namespace")
    return f"{namespace}/{name_of(manifest)}" if namespace else name_of(manifest)


def title(manifest: Manifest) -> str:
    """Return what messages call the object: Deployment rag-dev/app."""
    return f"{manifest.get('kind')} {identifier(manifest)}"


def skips_await(manifest: Manifest) -> bool:
    """Tell whether the program asks not to wait."""
    return annotation(manifest, SKIP_AWAIT).lower() == "true"


def respelled(value: Any, old: str, new: str) -> Any:
    """Return the value with one prefix of keys in place of another."""
    if isinstance(value, dict):
        return {
            new + key.removeprefix(old).replace(old[-1], new[-1])
            if key.startswith(old)
            else key: respelled(item, old, new)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [respelled(item, old, new) for item in value]
    return value
