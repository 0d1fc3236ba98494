"""The program run without an engine, a cluster or a key: what it registers and exports.

`python -m infra.evaluation` reads {"stack", "settings", "secrets", "listing"} as JSON from stdin,
where `listing` is true for what is asked before there is a lock, and prints
{"resources": [{"type", "name", "inputs"}], "exports"}; secrets and what only a provider would know
are masked.
"""

import asyncio
import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi.runtime import rpc
from pulumi.runtime.mocks import MockCallArgs, MockMonitor, MockResourceArgs, Mocks
from pulumi.runtime.settings import get_root_resource
from pulumi.runtime.stack import Stack, run_pulumi_func

PROJECT = "stackyard"
# what a real provider would compute
OUTPUTS: dict[str, dict[str, Any]] = {
    "pulumi-python:dynamic/stackyard:KindCluster": {"kubeconfig": "apiVersion: v1 # made by kind"},
    "pulumi-python:dynamic/stackyard:GeneratedSecret": {"value": "generated-value"},
    "pulumi-python:dynamic/stackyard:GeneratedCertificate": {"key": "generated-key"},
}
# not secret
PLAIN_OUTPUTS: dict[str, dict[str, Any]] = {
    "pulumi-python:dynamic/stackyard:GeneratedCertificate": {
        "ca": "generated-ca",
        "certificate": "generated-certificate",
    },
    "aws:eks/cluster:Cluster": {
        "endpoint": "https://eks.example.com",
        "certificateAuthority": {"data": "Q0E="},
    },
    "aws:eks/nodeGroup:NodeGroup": {
        "resources": [{"autoscalingGroups": [{"name": "scaling-group"}]}]
    },
    "aws:ec2/launchTemplate:LaunchTemplate": {"latestVersion": 1},
}
DIGEST = "sha256:" + "0" * 64
SECRET = "[secret]"


@dataclass(frozen=True)
class Registered:
    """One resource as the engine got it; `shown` has each secret masked."""

    type: str
    name: str
    inputs: dict[str, Any]
    shown: dict[str, Any]
    custom: bool
    provider: str
    parent: str
    protect: bool
    secret_outputs: tuple[str, ...]
    after: frozenset[str]  # names of the resources that come before it


class Recorder(Mocks):
    """Computes outputs; a call to a provider's function fails the program."""

    def call(self, args: MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        message = f"the program calls {args.token}, so a preview would need the network"
        raise AssertionError(message)

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        inputs = unwrapped(args.inputs)
        # secret as by additionalSecretOutputs, which a test of its own compares
        computed = {k: rpc.wrap_rpc_secret(v) for k, v in OUTPUTS.get(args.typ, {}).items()}
        outputs = {**inputs, **PLAIN_OUTPUTS.get(args.typ, {}), **computed}
        if args.typ.startswith("aws:"):
            outputs["arn"] = f"arn:aws:{args.name}"
        if args.typ.endswith(":Image"):
            outputs["reference"] = f"{inputs['host']}/{inputs['path']}@{DIGEST}"
        if args.typ.startswith("kubernetes:"):
            metadata = dict(outputs.get("metadata", {}))
            outputs["metadata"] = {**metadata, "name": metadata.get("name", f"{args.name}-auto")}
        return f"{args.name}-id", outputs


class RecordingMonitor(MockMonitor):
    """Keeps every registration as it goes over the wire."""

    def __init__(self, mocks: Mocks) -> None:
        super().__init__(mocks)
        self.found: list[Registered] = []

    def RegisterResource(self, request: Any) -> Any:
        try:
            return self._register(request)
        finally:
            # Pulumi's mocks make an event loop in each of their threads and leave it open
            asyncio.get_event_loop_policy().get_event_loop().close()
            asyncio.set_event_loop(None)

    def _register(self, request: Any) -> Any:
        asyncio.set_event_loop(asyncio.new_event_loop())
        inputs = rpc.deserialize_properties(request.object)
        if request.type != "pulumi:pulumi:Stack":
            self.found.append(
                Registered(
                    type=request.type,
                    name=request.name,
                    inputs=unwrapped(inputs),
                    shown=unwrapped(inputs, mask=SECRET),
                    custom=request.custom,
                    provider=request.provider,
                    parent=request.parent,
                    protect=request.protect,
                    secret_outputs=tuple(request.additionalSecretOutputs),
                    after=frozenset(urn.rpartition("::")[2] for urn in request.dependencies),
                )
            )
        return super().RegisterResource(request)  # type: ignore[no-untyped-call] # Pulumi's


def unwrapped(value: Any, mask: str | None = None) -> Any:
    """Return a value without the wire's marks of secrets, each secret masked if asked for."""
    if rpc.is_rpc_secret(value):
        return mask if mask is not None else unwrapped(rpc.unwrap_rpc_secret(value))
    if isinstance(value, dict):
        return {key: unwrapped(each, mask) for key, each in value.items()}
    if isinstance(value, list):
        return [unwrapped(each, mask) for each in value]
    return value


@dataclass(frozen=True)
class Deployment:
    """What a program registered and exported."""

    resources: list[Registered]
    exports: dict[str, Any]
    secret_exports: frozenset[str]

    def __getitem__(self, name: str) -> Registered:
        (found,) = [each for each in self.resources if each.custom and each.name == name]
        return found

    def of(self, kind: str) -> list[Registered]:
        """Return the resources whose type ends in a kind."""
        return [each for each in self.resources if each.type.endswith(f":{kind}")]

    @property
    def pods(self) -> dict[str, dict[str, Any]]:
        """Return the pod spec of every workload."""
        return {
            each.inputs["metadata"]["name"]: each.inputs["spec"]["template"]["spec"]
            for each in self.resources
            if each.inputs.get("spec", {}).get("template")
        }


def environment_of(settings: Mapping[str, object], secrets: Mapping[str, str]) -> dict[str, str]:
    """Return the variables by which the engine hands a program its configuration."""
    texts = {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in settings.items()
    }
    given = {f"{PROJECT}:{key}": value for key, value in {**texts, **secrets}.items()}
    return {
        "PULUMI_CONFIG": json.dumps(given),
        "PULUMI_CONFIG_SECRET_KEYS": json.dumps([f"{PROJECT}:{key}" for key in secrets]),
    }


def evaluate(program: Callable[[], None], stack: str) -> Deployment:
    """Run a program as the engine would; its settings are in the environment already."""
    monitor = RecordingMonitor(Recorder())
    exports: dict[str, Any] = {}
    secret: set[str] = set()

    async def main() -> None:
        pulumi.runtime.set_mocks(monitor.mocks, PROJECT, stack, preview=False, monitor=monitor)
        root = get_root_resource()
        if not isinstance(root, Stack):
            message = "the mocked engine has no stack"
            raise TypeError(message)
        root.outputs.clear()
        await run_pulumi_func(program)
        for name, value in root.outputs.items():
            output = pulumi.Output.from_input(value)
            exports[name] = await output.future()
            if await output.is_secret():
                secret.add(name)

    asyncio.run(main())
    return Deployment(monitor.found, exports, frozenset(secret))


def main() -> int:
    """Evaluate the stack that stdin describes; return 1 with the program's own message."""
    given = json.load(sys.stdin)
    os.environ.update(environment_of(given["settings"], given["secrets"]))
    from infra.program import deploy  # here, because it brings all of the SDK's types along

    try:
        found = evaluate(lambda: deploy(listing=given["listing"]), given["stack"])
    except pulumi.RunError as error:
        print(error, file=sys.stderr)
        return 1
    json.dump(
        {
            "resources": [
                {"type": each.type, "name": each.name, "inputs": each.shown}
                for each in found.resources
            ],
            "exports": {
                name: SECRET if name in found.secret_exports else value
                for name, value in found.exports.items()
            },
        },
        sys.stdout,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
