"""Objects on their way: as they are sent, as a program writes them, whose they are."""

import base64

from tools.standin.errors import ApiError, StandInError, UnknownKindError
from tools.standin.objects import (
    DASHED,
    PATCH_FIELD_MANAGER,
    PATCH_FORCE,
    UNDERSCORED,
    is_patch,
    metadata,
    respelled,
    title,
    urn_type,
    with_api,
)
from tools.standin.secrecy import is_secret_object
from tools.standin.wire import Manifest, Secret, plain

SERVER_FIELDS = ("uid", "resourceVersion", "generation", "creationTimestamp", "selfLink")
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def sent(inputs: Manifest, urn: str) -> Manifest:
    """Return the object as it goes to the API server."""
    token = urn_type(urn)
    manifest: Manifest = respelled(with_api(plain(inputs), token), UNDERSCORED, DASHED)
    manifest.pop("status", None)
    if is_secret_object(manifest) and "stringData" in manifest:
        # server-side apply never removes a key that came by stringData
        texts = manifest.pop("stringData")
        encoded = {k: base64.b64encode(str(v).encode()).decode() for k, v in texts.items()}
        manifest["data"] = {**manifest.get("data", {}), **encoded}
    if is_patch(token):
        notes = metadata(manifest).get("annotations") or {}
        for name in (PATCH_FORCE, PATCH_FIELD_MANAGER):
            notes.pop(name, None)
    return manifest


def as_inputs(live: Manifest) -> Manifest:
    """Return an object as a program would write it: without what the server adds."""
    kept = {key: value for key, value in live.items() if key != "status"}
    dropped = (*SERVER_FIELDS, "managedFields")
    kept["metadata"] = {k: v for k, v in metadata(live).items() if k not in dropped}
    if notes := kept["metadata"].get("annotations"):
        kept["metadata"]["annotations"] = {k: v for k, v in notes.items() if k != LAST_APPLIED}
    if is_secret_object(kept) and "data" in kept:
        kept["data"] = Secret(kept["data"])
    return dict(respelled(kept, DASHED, UNDERSCORED))


def decoded_text(value: str) -> str:
    """Return the text of a Secret's entry; what is no text stays encoded."""
    try:
        return base64.b64decode(value).decode()
    except ValueError:
        return value


def owned_by(live: Manifest, manager: str) -> bool:
    """Tell whether this very resource applied the object in an earlier run."""
    return any(item.get("manager") == manager for item in metadata(live).get("managedFields") or [])


def already_there(live: Manifest) -> str:
    """Say that the name is taken, and the ways out."""
    managers = [str(item.get("manager")) for item in metadata(live).get("managedFields") or []]
    return (
        f"{title(live)} is already there, made by {', '.join(dict.fromkeys(managers)) or 'others'}"
        f"\nhint: delete it, or take it over with pulumi import, or set upsertExistingObjects "
        "on the provider"
    )


def settling(error: StandInError) -> bool:
    """Tell whether the cluster may accept the same request in a moment."""
    if isinstance(error, UnknownKindError):
        return True
    if not isinstance(error, ApiError):
        return False
    text = error.message
    return (
        (error.status == 404 and "namespaces" in text)
        or (error.status == 403 and "serviceaccount" in text and "not found" in text)
        or (error.status == 403 and "being terminated" in text)
        or (error.status == 409 and not error.conflicts)
        or (error.status >= 500 and "webhook" in text)
    )
