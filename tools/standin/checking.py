"""What a resource's inputs must be before anything is done with them."""

import base64
import binascii
from typing import Any

from tools.standin.errors import StandInError
from tools.standin.naming import named
from tools.standin.objects import (
    TIMEOUT_SECONDS,
    WAIT_FOR,
    annotation,
    is_patch,
    metadata,
    name_of,
    with_api,
)
from tools.standin.safety import INSTALL
from tools.standin.secrecy import is_secret_object
from tools.standin.session import Session
from tools.standin.wire import UNKNOWN, Manifest, Secret, has_unknown, plain

COMPONENTS = ("helm.sh/v4", "yaml/v2", "yaml", "kustomize", "kustomize/v2", "helm.sh/v2")


def refused_type(token: str, inputs: Manifest) -> str:
    """Return why the stand-in does not make this type, or nothing."""
    _, api, kind = token.split(":", 2)
    if api in COMPONENTS:
        return f'"{token}" needs the official Kubernetes plugin\nhint: {INSTALL}'
    if kind.endswith("List") and "items" in inputs:
        return (
            f'"{token}" is a list, the stand-in Kubernetes provider makes single objects only'
            f"\nhint: make each item a resource of its own"
        )
    return ""


def checked(
    session: Session, news: Manifest, olds: Manifest, token: str, stem: str, seed: bytes
) -> Manifest:
    """Return the inputs as they go into the state: named, placed, secrets marked."""
    known = with_api(plain(news), token)
    _refuse_annotations(known)
    if is_patch(token):
        if metadata(known) and not name_of(known):
            message = (
                f'"{stem}" changes an object of others, it needs that object\'s metadata.name'
                "\nhint: set metadata.name"
            )
            raise StandInError(message)
        inputs = news
    else:
        inputs = named(news, olds, stem, seed)
    inputs = _placed(session, inputs, known)
    if is_secret_object(known):
        _refuse_undecodable(known, stem)
        for field in ("data", "stringData"):
            if inputs.get(field) is not None and inputs[field] is not UNKNOWN:
                inputs = {**inputs, field: Secret(_bare(inputs[field]))}
    return inputs


def _bare(value: Any) -> Any:
    if isinstance(value, Secret):
        return _bare(value.value)
    if isinstance(value, dict):
        return {key: _bare(item) for key, item in value.items()}
    return value


def _refuse_annotations(known: Manifest) -> None:
    if annotation(known, WAIT_FOR):
        message = (
            f'annotation "{WAIT_FOR}" is not supported by the stand-in Kubernetes provider'
            f"\nhint: {INSTALL}"
        )
        raise StandInError(message)
    given = annotation(known, TIMEOUT_SECONDS)
    if given and not (given.isdigit() and int(given) > 0):
        message = (
            f'annotation "{TIMEOUT_SECONDS}" is "{given}", it takes a whole number of seconds'
            '\nhint: set it to "600"'
        )
        raise StandInError(message)


def _refuse_undecodable(known: Manifest, stem: str) -> None:
    """Name a Secret's key that is not base64: the server's own message shows the value."""
    data = known.get("data")
    for key, value in (data if isinstance(data, dict) else {}).items():
        if has_unknown(value):
            continue
        try:
            base64.b64decode(str(value), validate=True)
        except binascii.Error:
            message = (
                f'data["{key}"] of Secret "{stem}" is not base64\nhint: use stringData for text'
            )
            raise StandInError(message) from None


def _placed(session: Session, inputs: Manifest, known: Manifest) -> Manifest:
    """Fill in the provider's namespace, where one is set and the kind lives in namespaces."""
    given = inputs.get("metadata")
    if session.namespace is None or not isinstance(given, dict) or "namespace" in given:
        return inputs
    if not session.connected or not session.cluster.namespaced(known["apiVersion"], known["kind"]):
        return inputs
    return {**inputs, "metadata": {**given, "namespace": session.namespace}}
