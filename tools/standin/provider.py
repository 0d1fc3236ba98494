"""The gRPC face of the stand-in: what the engine calls."""

import os
import threading
from collections.abc import Callable
from typing import NoReturn, TypeVar

import grpc
import yaml
from google.protobuf import empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from tools.standin.awaiting.waiter import Patience
from tools.standin.checking import checked, refused_type
from tools.standin.diffing import (
    Difference,
    differences,
    differing,
    ignored,
    must_go_first,
    to_try_again,
)
from tools.standin.engine import Engine
from tools.standin.errors import StandInError
from tools.standin.helm import TOKEN, Releases
from tools.standin.objects import is_patch, urn_name, urn_type, with_api
from tools.standin.plain_objects import PlainObjects
from tools.standin.responses import diff_response, init_failure, replacing_settings
from tools.standin.safety import INSTALL, NOTICE, OFFICIAL_VERSION, refuse_foreign_state
from tools.standin.secrecy import Redactor
from tools.standin.session import InitError, Session
from tools.standin.wire import Manifest, decode, encode, plain

Answer = TypeVar("Answer")
RELEASE_REPLACES = ("name", "namespace")


class StandIn(provider_pb2_grpc.ResourceProviderServicer):
    """Serves one provider resource of one run."""

    def __init__(self, engine: Engine, patience: Patience | None = None) -> None:
        self._engine = engine
        self._redactor = Redactor()
        self._session = Session(
            redactor=self._redactor,
            patience=patience or Patience(),
            stopped=threading.Event(),
            tell=lambda urn, text: engine.tell(urn, self._redactor.clean(text)),
            warn=lambda urn, text: engine.warn(urn, self._redactor.clean(text)),
        )
        self._objects = PlainObjects(self._session)
        self._releases = Releases(self._session)

    def close(self) -> None:
        """Let the connections to cluster and engine go."""
        self._session.close()
        self._engine.close()

    def Handshake(
        self, request: provider_pb2.ProviderHandshakeRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ProviderHandshakeResponse:
        """Say what this provider understands."""
        self._engine.connect(request.engine_address)
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True)

    def GetPluginInfo(
        self, request: empty_pb2.Empty, context: grpc.ServicerContext
    ) -> plugin_pb2.PluginInfo:
        """Report the version that the program is written for."""
        return plugin_pb2.PluginInfo(version=OFFICIAL_VERSION)

    def Attach(
        self, request: plugin_pb2.PluginAttach, context: grpc.ServicerContext
    ) -> empty_pb2.Empty:
        """Take the engine's address when it attaches to a running provider."""
        self._engine.connect(request.address)
        return empty_pb2.Empty()

    def CheckConfig(
        self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CheckResponse:
        """Take the provider's settings as they are."""
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(
        self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext
    ) -> provider_pb2.DiffResponse:
        """Replace everything when the provider now means another cluster."""

        def work() -> provider_pb2.DiffResponse:
            old = decode(request.old_inputs) or decode(request.olds)
            new = decode(request.news)
            self._redactor.learn(old)
            self._redactor.learn(new)
            keys = sorted({str(path[0]) for path, _ in differing(plain(old), plain(new))})
            if not keys:
                return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)
            return provider_pb2.DiffResponse(
                changes=provider_pb2.DiffResponse.DIFF_SOME,
                diffs=keys,
                replaces=replacing_settings(plain(old), plain(new), keys),
            )

        return self._guarded(context, work)

    def Configure(
        self, request: provider_pb2.ConfigureRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ConfigureResponse:
        """Connect to the cluster, if it is ours."""

        def work() -> provider_pb2.ConfigureResponse:
            self._session.configure(decode(request.args))
            self._engine.tell_once(NOTICE)
            return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

        return self._guarded(context, work)

    def Check(
        self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CheckResponse:
        """Name what has no name, refuse what the stand-in cannot do."""

        def work() -> provider_pb2.CheckResponse:
            news, olds = decode(request.news), decode(request.olds)
            self._redactor.learn(news)
            self._redactor.learn(olds)
            token, stem = urn_type(request.urn), urn_name(request.urn)
            if reason := refused_type(token, plain(news)):
                failure = provider_pb2.CheckFailure(reason=reason)
                return provider_pb2.CheckResponse(inputs=request.news, failures=[failure])
            if token == TOKEN:
                inputs = self._releases.check(news, olds, stem, request.randomSeed)
            else:
                inputs = checked(self._session, news, olds, token, stem, request.randomSeed)
            return provider_pb2.CheckResponse(inputs=encode(inputs))

        return self._guarded(context, work)

    def Diff(
        self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext
    ) -> provider_pb2.DiffResponse:
        """Compare the old and the new inputs."""

        def work() -> provider_pb2.DiffResponse:
            refuse_foreign_state(decode(request.olds), request.urn)
            old, new = decode(request.old_inputs), decode(request.news)
            self._redactor.learn(old)
            self._redactor.learn(new)
            found = self._differences(request.urn, plain(old), plain(new))
            found += to_try_again(plain(decode(request.olds)), plain(new))
            found = [d for d in found if not ignored(d, list(request.ignoreChanges))]
            if any(item.replaces for item in found):
                self._objects.expect_replacement(request.urn)
            return diff_response(found, first=must_go_first(plain(old), plain(new)))

        return self._guarded(context, work)

    def _differences(self, urn: str, old: Manifest, new: Manifest) -> list[Difference]:
        token = urn_type(urn)
        if token == TOKEN:
            return [
                Difference(path, change, path[0] in RELEASE_REPLACES)
                for path, change in differing(old, new)
            ]
        return differences(
            with_api(old, token),
            with_api(new, token),
            default_namespace=self._session.default_namespace,
            mutability=self._session.settings.mutability,
            patch=is_patch(token),
        )

    def _handler(self, urn: str) -> PlainObjects | Releases:
        return self._releases if urn_type(urn) == TOKEN else self._objects

    def Create(
        self, request: provider_pb2.CreateRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CreateResponse:
        """Make the resource and wait for it."""

        def work() -> provider_pb2.CreateResponse:
            inputs = decode(request.properties)
            self._redactor.learn(inputs)
            done = self._handler(request.urn).create(
                request.urn, inputs, request.timeout, request.preview
            )
            return provider_pb2.CreateResponse(id=done.identifier, properties=encode(done.state))

        return self._guarded(context, work)

    def Update(
        self, request: provider_pb2.UpdateRequest, context: grpc.ServicerContext
    ) -> provider_pb2.UpdateResponse:
        """Change the resource and wait for it."""

        def work() -> provider_pb2.UpdateResponse:
            old, inputs = decode(request.olds), decode(request.news)
            refuse_foreign_state(old, request.urn)
            self._redactor.learn(old)
            self._redactor.learn(inputs)
            done = self._handler(request.urn).update(
                request.urn, old, inputs, request.timeout, request.preview
            )
            return provider_pb2.UpdateResponse(properties=encode(done.state))

        return self._guarded(context, work)

    def Read(
        self, request: provider_pb2.ReadRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ReadResponse:
        """Return what the cluster has."""

        def work() -> provider_pb2.ReadResponse:
            old, inputs = decode(request.properties), decode(request.inputs)
            refuse_foreign_state(old, request.urn)
            self._redactor.learn(old)
            self._redactor.learn(inputs)
            done = self._handler(request.urn).read(request.urn, request.id, old, inputs)
            if done is None:
                return provider_pb2.ReadResponse()
            return provider_pb2.ReadResponse(
                id=done.identifier,
                properties=encode(done.state),
                inputs=encode(done.inputs or {}),
            )

        return self._guarded(context, work)

    def Delete(
        self, request: provider_pb2.DeleteRequest, context: grpc.ServicerContext
    ) -> empty_pb2.Empty:
        """Delete the resource and wait until it is gone."""

        def work() -> empty_pb2.Empty:
            old, inputs = decode(request.properties), decode(request.old_inputs)
            refuse_foreign_state(old, request.urn)
            self._redactor.learn(old)
            self._redactor.learn(inputs)
            self._handler(request.urn).delete(request.urn, old, inputs, request.timeout)
            return empty_pb2.Empty()

        return self._guarded(context, work)

    def Invoke(
        self, request: provider_pb2.InvokeRequest, context: grpc.ServicerContext
    ) -> provider_pb2.InvokeResponse:
        """Parse YAML for the program; everything else needs the official plugin."""

        def work() -> provider_pb2.InvokeResponse:
            if request.tok != "kubernetes:yaml:decode":
                message = f'"{request.tok}" needs the official Kubernetes plugin'
                raise StandInError(message + f"\nhint: {INSTALL}")
            text = plain(decode(request.args)).get("text", "")
            found = [item for item in yaml.safe_load_all(text) if item]
            response = provider_pb2.InvokeResponse()
            getattr(response, "return").CopyFrom(encode({"result": found}))
            return response

        return self._guarded(context, work)

    def Construct(
        self, request: provider_pb2.ConstructRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ConstructResponse:
        """Refuse components: the official plugin expands them."""
        message = (
            f'"{request.type}" of "{request.name}" is a component of the official Kubernetes '
            f"plugin, the stand-in has none\nhint: {INSTALL}"
        )
        context.abort(grpc.StatusCode.UNIMPLEMENTED, message)

    def Cancel(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> empty_pb2.Empty:
        """Stop waiting."""
        self._session.stopped.set()
        return empty_pb2.Empty()

    def _guarded(self, context: grpc.ServicerContext, work: Callable[[], Answer]) -> Answer:
        """Do the work; turn what goes wrong into an answer without secrets."""
        try:
            return work()
        except InitError as error:
            failure = init_failure(error, self._redactor)
        except StandInError as error:
            self._abort(context, self._redactor.clean(str(error)))
        except Exception as error:
            # an unforeseen error must not print its values, they may be secret
            text = self._redactor.clean(f"{type(error).__name__}: {error}")
            if os.environ.get("STACKYARD_STANDIN_TRACE"):
                raise
            self._abort(context, f"the stand-in Kubernetes provider failed: {text[:500]}")
        self._abort(context, failure.message, failure)

    def _abort(
        self,
        context: grpc.ServicerContext,
        message: str,
        status: status_pb2.Status | None = None,
    ) -> NoReturn:
        if status is not None:
            metadata = (("grpc-status-details-bin", status.SerializeToString()),)
            context.set_trailing_metadata(metadata)
        context.abort(grpc.StatusCode.UNKNOWN, message)
        raise AssertionError(message)  # abort raises; this tells the type checker
