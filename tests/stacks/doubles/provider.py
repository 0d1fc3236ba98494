"""Stands in for a Pulumi provider: accepts what it may, remembers it, and touches nothing.

Run as `python -m tests.stacks.doubles.provider PACKAGE`. A double of AWS refuses what AWS's own
service models refuse. Every change goes to $DOUBLE_LOG as a line of JSON when it is made, and is
answered $DOUBLE_SECONDS later: who is killed meanwhile never learns of it.
"""

import base64
import copy
import json
import os
import signal
import sys
import time
import uuid
from concurrent import futures
from pathlib import Path
from typing import Any

import dill  # type: ignore[import-untyped]
import grpc
from google.protobuf import empty_pb2, json_format, struct_pb2
from pulumi.dynamic import ResourceProvider
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from tests.stacks.doubles.requests import refusals
from tests.stacks.doubles.service_models import UNKNOWN

Props = dict[str, Any]
SIGNATURE, SECRET = "4dabf18193072939515e22adb298388d", "1b47061264138c4ac30d75fd1eb44270"
DIGEST = "sha256:" + "0" * 64
# of our dynamic providers the one that touches nothing, so that its refusals are the real ones
VERSION_STEP = "pulumi-python:dynamic/stackyard:VersionStep"
# what the real providers compute, by type
OUTPUTS: dict[str, Props] = {
    "aws:eks/cluster:Cluster": {
        "endpoint": "https://eks.double.invalid",
        "certificateAuthority": {"data": "ZG91Ymxl"},
    },
    "aws:eks/nodeGroup:NodeGroup": {
        "nodeGroupName": "made",
        "resources": [{"autoscalingGroups": [{"name": "made"}]}],
    },
    "aws:ec2/launchTemplate:LaunchTemplate": {"latestVersion": 1},
    "aws:iam/role:Role": {"arn": "arn:aws:iam::111122223333:role/made"},
    "aws:kms/key:Key": {"arn": "arn:aws:kms:eu-central-1:111122223333:key/made"},
    "pulumi-python:dynamic/stackyard:GeneratedSecret": {"value": "made"},
    "pulumi-python:dynamic/stackyard:Image": {"reference": f"registry.invalid/made@{DIGEST}"},
}


def plain(value: Any) -> Any:
    """Return a value without the wire's marks of secrets, whole numbers as such."""
    if isinstance(value, dict):
        if value.get(SIGNATURE) == SECRET:
            return plain(value["value"])
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def as_dict(struct: struct_pb2.Struct) -> Props:
    return json_format.MessageToDict(struct)


def as_struct(value: Props) -> struct_pb2.Struct:
    return json_format.ParseDict(value, struct_pb2.Struct())


def type_of(urn: str) -> str:
    return urn.split("::")[2].split("$")[-1]


def outputs(urn: str, inputs: Props, *, preview: bool) -> Props:
    computed = OUTPUTS.get(type_of(urn), {})
    result = {**inputs, **{k: UNKNOWN if preview else v for k, v in computed.items()}}
    if type_of(urn).startswith("kubernetes:") and "metadata" in result:
        made = UNKNOWN if preview else f"{urn.rpartition('::')[2]}-made"
        metadata = result["metadata"]
        result["metadata"] = {**metadata, "name": metadata.get("name", made)}
    return result


def checked(olds: Props, news: Props) -> list[str]:
    """Ask a dynamic provider of ours for its refusals, as Pulumi's own host of them does."""
    provider: ResourceProvider = dill.loads(base64.b64decode(plain(news["__provider"])))
    return [each.reason for each in provider.check(plain(olds), plain(news)).failures]


def fixed(kind: str, old: Props, new: Props) -> list[str]:
    """Return what of a Job has changed that the API server changes in none."""
    if kind != "kubernetes:batch/v1:Job":
        return []
    parts = {"metadata": "name", "spec": "template"}
    return [key for key, part in parts.items() if old[key].get(part) != new[key].get(part)]


class Double(provider_pb2_grpc.ResourceProviderServicer):
    """One package."""

    def __init__(self, package: str) -> None:
        self.package = package

    def _log(self, method: str, urn: str, made: str) -> None:
        with Path(os.environ["DOUBLE_LOG"]).open("a") as file:
            file.write(json.dumps({"method": method, "urn": urn, "id": made}) + "\n")
        time.sleep(float(os.environ.get("DOUBLE_SECONDS", "0")))

    def _new_id(self, urn: str) -> str:
        """Return what AWS would give, another each time; Kubernetes knows an object by its name."""
        name = urn.rpartition("::")[2]
        unique = uuid.uuid4() if self.package == "aws" else uuid.uuid5(uuid.NAMESPACE_URL, urn)
        return f"{name}-{unique}"

    def Handshake(self, request: Any, context: Any) -> Any:
        return provider_pb2.ProviderHandshakeResponse(
            accept_secrets=True, accept_resources=True, accept_outputs=True
        )

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version="0.0.0")

    def GetSchema(self, request: Any, context: Any) -> Any:
        return provider_pb2.GetSchemaResponse(schema=json.dumps({"name": self.package}))

    def CheckConfig(self, request: Any, context: Any) -> Any:
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: Any) -> Any:
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    def Configure(self, request: Any, context: Any) -> Any:
        return provider_pb2.ConfigureResponse(
            acceptSecrets=True, supportsPreview=True, acceptResources=True, acceptOutputs=True
        )

    def Check(self, request: Any, context: Any) -> Any:
        kind = type_of(request.urn)
        found = []
        if kind == VERSION_STEP:
            found = checked(as_dict(request.olds), as_dict(request.news))
        if self.package == "aws":
            inputs = plain(copy.deepcopy(as_dict(request.news)))
            found = refusals(kind.removeprefix("aws:"), inputs)
        failures = [provider_pb2.CheckFailure(reason=reason) for reason in found]
        return provider_pb2.CheckResponse(inputs=request.news, failures=failures)

    def Diff(self, request: Any, context: Any) -> Any:
        old, new = as_dict(request.old_inputs), as_dict(request.news)
        changed = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
        kinds = provider_pb2.DiffResponse
        return kinds(
            changes=kinds.DIFF_SOME if changed else kinds.DIFF_NONE,
            diffs=changed,
            replaces=fixed(type_of(request.urn), plain(old), plain(new)),
        )

    def Create(self, request: Any, context: Any) -> Any:
        known = "" if request.preview else self._new_id(request.urn)
        if not request.preview:
            self._log("create", request.urn, known)
        made = outputs(request.urn, as_dict(request.properties), preview=request.preview)
        return provider_pb2.CreateResponse(id=known, properties=as_struct(made))

    def Update(self, request: Any, context: Any) -> Any:
        if not request.preview:
            self._log("update", request.urn, request.id)
        made = outputs(request.urn, as_dict(request.news), preview=request.preview)
        return provider_pb2.UpdateResponse(properties=as_struct(made))

    def Read(self, request: Any, context: Any) -> Any:
        return provider_pb2.ReadResponse(
            id=request.id, properties=request.properties, inputs=request.inputs
        )

    def Delete(self, request: Any, context: Any) -> Any:
        self._log("delete", request.urn, request.id)
        return empty_pb2.Empty()

    def Invoke(self, request: Any, context: Any) -> Any:
        context.abort(grpc.StatusCode.UNIMPLEMENTED, f"a preview would ask AWS for {request.tok}")

    def Cancel(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()


def main(package: str) -> None:
    """Serve until the engine ends this process."""
    server = grpc.server(futures.ThreadPoolExecutor(8))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Double(package), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    signal.signal(signal.SIGINT, lambda *_: os._exit(0))  # how the engine ends it
    engine = os.getppid()
    while os.getppid() == engine:  # a killed engine takes its doubles along
        server.wait_for_termination(1)


if __name__ == "__main__":
    main(sys.argv[1])
