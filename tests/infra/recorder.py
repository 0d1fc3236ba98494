"""The program's evaluation, with a stack's settings in the environment of one test."""

from collections.abc import Callable, Mapping

import pytest

from infra.evaluation import DIGEST, Deployment, environment_of, evaluate

<<<<<<< HEAD
__all__ = ["DIGEST", "Deployment", "run"]
=======

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
>>>>>>> main


def run(
    program: Callable[[], None],
    stack: str,
    settings: Mapping[str, object],
    secrets: Mapping[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> Deployment:
    """Run a program as the engine would, with a stack's settings in its environment."""
    for name, value in environment_of(settings, secrets).items():
        monkeypatch.setenv(name, value)
    return evaluate(program, stack)
