"""The engine's side of the plugin: calls over real gRPC, and an ear for its log."""

from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, provider_pb2, provider_pb2_grpc
from pulumi.runtime.proto import status_pb2 as rpc_status

from tests.tools.standin.fake_api import FakeApi
from tools.standin.__main__ import serve
from tools.standin.awaiting.waiter import Patience
from tools.standin.engine import Engine
from tools.standin.provider import StandIn
from tools.standin.wire import Secret, decode, encode

__all__ = ["Failure", "FakeApi", "Provider", "Words", "started", "urn"]
Json = dict[str, Any]


def urn(token: str, name: str = "app") -> str:
    return f"urn:pulumi:dev::stackyard::{token}::{name}"


class Words(engine_pb2_grpc.EngineServicer):
    """An engine that only listens."""

    def __init__(self, told: Path) -> None:
        self.told = told
        self.logged: list[engine_pb2.LogRequest] = []
        self._server = grpc.server(futures.ThreadPoolExecutor(4))
        engine_pb2_grpc.add_EngineServicer_to_server(self, self._server)
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.stop(None).wait()

    def Log(self, request: engine_pb2.LogRequest, context: grpc.ServicerContext) -> empty_pb2.Empty:
        self.logged.append(request)
        return empty_pb2.Empty()

    def lasting(self) -> list[str]:
        return [item.message for item in self.logged if not item.ephemeral]


class Failure(Exception):
    """What the engine gets in place of an answer."""

    def __init__(self, error: grpc.RpcError) -> None:
        assert isinstance(error, grpc.Call)
        super().__init__(error.details())
        self.init: provider_pb2.ErrorResourceInitFailed | None = None
        for key, value in error.trailing_metadata() or ():
            if key == "grpc-status-details-bin":
                status = rpc_status.Status.FromString(value)
                self.init = provider_pb2.ErrorResourceInitFailed()
                assert status.details[0].Unpack(self.init)


class Provider:
    """The engine's calls, in short."""

    def __init__(self, address: str) -> None:
        self._channel = grpc.insecure_channel(address)
        self.stub = provider_pb2_grpc.ResourceProviderStub(self._channel)

    def close(self) -> None:
        self._channel.close()

    def _call(self, method: Callable[[Any], Any], request: Any) -> Any:
        try:
            return method(request)
        except grpc.RpcError as error:
            raise Failure(error) from None

    def configure(self, **settings: Any) -> None:
        request = provider_pb2.ConfigureRequest(args=encode(settings), acceptSecrets=True)
        self._call(self.stub.Configure, request)

    def check(self, token: str, inputs: Json, olds: Json | None = None) -> Json:
        request = provider_pb2.CheckRequest(
            urn=urn(token), news=encode(inputs), olds=encode(olds or {}), randomSeed=b"\x01" * 32
        )
        answer = self._call(self.stub.Check, request)
        assert not answer.failures, answer.failures[0].reason
        return decode(answer.inputs)

    def diff(self, token: str, old: Json, new: Json, state: Json) -> provider_pb2.DiffResponse:
        request = provider_pb2.DiffRequest(
            urn=urn(token), old_inputs=encode(old), news=encode(new), olds=encode(state)
        )
        answer: provider_pb2.DiffResponse = self._call(self.stub.Diff, request)
        return answer

    def create(
        self, token: str, inputs: Json, *, preview: bool = False, timeout: float = 0
    ) -> tuple[str, Json]:
        request = provider_pb2.CreateRequest(
            urn=urn(token), properties=encode(inputs), preview=preview, timeout=timeout
        )
        answer = self._call(self.stub.Create, request)
        return answer.id, decode(answer.properties)

    def update(
        self, token: str, state: Json, old: Json, new: Json, *, preview: bool = False
    ) -> Json:
        request = provider_pb2.UpdateRequest(
            urn=urn(token),
            olds=encode(state),
            old_inputs=encode(old),
            news=encode(new),
            preview=preview,
        )
        return decode(self._call(self.stub.Update, request).properties)

    def read(self, token: str, known: str, state: Json, inputs: Json) -> tuple[str, Json, Json]:
        request = provider_pb2.ReadRequest(
            urn=urn(token), id=known, properties=encode(state), inputs=encode(inputs)
        )
        answer = self._call(self.stub.Read, request)
        return answer.id, decode(answer.properties), decode(answer.inputs)

    def delete(self, token: str, state: Json, inputs: Json, *, timeout: float = 0) -> None:
        request = provider_pb2.DeleteRequest(
            urn=urn(token), properties=encode(state), old_inputs=encode(inputs), timeout=timeout
        )
        self._call(self.stub.Delete, request)


@contextmanager
def started(words: Words, patience: Patience) -> Iterator[Callable[[], Provider]]:
    """Give a function that starts a provider; end them all in the end."""
    with ExitStack() as stack:

        def start() -> Provider:
            stand_in = StandIn(Engine(words.address, words.told), patience)
            server, port = serve(stand_in)
            stack.callback(stand_in.close)
            stack.callback(lambda: server.stop(None).wait())
            provider = Provider(f"127.0.0.1:{port}")
            stack.callback(provider.close)
            return provider

        yield start


def shown(value: Json) -> str:
    """Return what would be readable in a state file: everything that is not in a secret."""

    def open_parts(part: Any) -> Any:
        if isinstance(part, Secret):
            return "[secret]"
        if isinstance(part, dict):
            return {key: open_parts(item) for key, item in part.items()}
        return [open_parts(item) for item in part] if isinstance(part, list) else part

    return str(open_parts(value))
