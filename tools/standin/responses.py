"""Answers as the engine reads them: differences, and objects that are not ready."""

import grpc
from google.protobuf import any_pb2
from pulumi.runtime.proto import provider_pb2, status_pb2

from tools.standin.diffing import Difference
from tools.standin.helm import CHECKSUM
from tools.standin.kubeconfig import read_target
from tools.standin.secrecy import Redactor
from tools.standin.session import InitError
from tools.standin.wire import Manifest, encode, has_unknown

KINDS = {
    "add": provider_pb2.PropertyDiff.ADD,
    "delete": provider_pb2.PropertyDiff.DELETE,
    "update": provider_pb2.PropertyDiff.UPDATE,
}
REPLACING = {
    "add": provider_pb2.PropertyDiff.ADD_REPLACE,
    "delete": provider_pb2.PropertyDiff.DELETE_REPLACE,
    "update": provider_pb2.PropertyDiff.UPDATE_REPLACE,
}


def diff_response(found: list[Difference], *, first: bool) -> provider_pb2.DiffResponse:
    """Write the differences as the engine reads them."""
    if not found:
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)
    replaces = [str(item) for item in found if item.replaces]
    return provider_pb2.DiffResponse(
        changes=provider_pb2.DiffResponse.DIFF_SOME,
        replaces=replaces,
        deleteBeforeReplace=bool(replaces) and first,
        diffs=sorted({str(item.path[0]) for item in found}),
        detailedDiff={
            str(item): provider_pb2.PropertyDiff(
                kind=(REPLACING if item.replaces else KINDS)[item.change], inputDiff=True
            )
            for item in found
            if item.path != (CHECKSUM,)
        },
        hasDetailedDiff=True,
    )


def replacing_settings(old: Manifest, new: Manifest, keys: list[str]) -> list[str]:
    """Return the changed settings that make the provider mean another cluster."""
    if old.get("clusterIdentifier") and new.get("clusterIdentifier"):
        return [key for key in keys if key == "clusterIdentifier"]
    choosing = [key for key in keys if key in ("kubeconfig", "context", "cluster")]
    if any(has_unknown(new.get(key)) for key in choosing):
        return choosing  # the official plugin plans for the worst as well
    before, after = (
        read_target(given.get("kubeconfig"), given.get("context"), given.get("cluster"))
        for given in (old, new)
    )
    if before is not None and after is not None and before.cluster != after.cluster:
        return choosing
    return []


def init_failure(error: InitError, redactor: Redactor) -> status_pb2.Status:
    """Write that an object exists and is not ready, with the state to keep."""
    message = redactor.clean(str(error))
    detail = any_pb2.Any()
    detail.Pack(
        provider_pb2.ErrorResourceInitFailed(
            id=error.identifier,
            properties=encode(error.state),
            reasons=[message],
            inputs=encode(error.inputs),
        )
    )
    return status_pb2.Status(
        code=grpc.StatusCode.UNKNOWN.value[0], message=message, details=[detail]
    )
