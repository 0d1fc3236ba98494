"""Traces of every request for an OpenTelemetry collector: times and names, nothing that was said.

A request is one span, its pipeline another below it, and each component one below that, as Haystack
makes them. A caller's `traceparent` is continued. Imported only where a collector is named: the SDK
takes some MB.
"""

import contextlib
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import opentelemetry.trace as api
from haystack.tracing.tracer import Span, Tracer, enable_tracing
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.propagators.textmap import Getter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.problems import Problem
from app.surface import find

# Whose values are names and counts. Haystack's others hold questions, passages and answers.
KEPT_TAGS = (
    "haystack.component.name",
    "haystack.component.type",
    "haystack.component.visits",
    "haystack.pipeline.execution_mode",
)
EXPORT_SECONDS = 10
CLOSE_SECONDS = 5.0
QUEUE = 8192  # spans that wait to be sent, of about a thousand questions; more are dropped


class Traces:
    """What makes spans in this process and sends them, some seconds later and many at once."""

    def __init__(self, url: str, *, instance: str, version: str) -> None:
        resource = Resource(
            {
                "service.name": "stackyard",
                "service.version": version,
                "service.instance.id": instance,
            }
        )
        # whatever a caller's trace says, and without a wait at the interpreter's end
        self._provider = TracerProvider(ALWAYS_ON, resource, shutdown_on_exit=False)
        exporter = OTLPSpanExporter(endpoint=url, timeout=EXPORT_SECONDS)
        self._provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=QUEUE))
        self.tracer = self._provider.get_tracer("stackyard")

    def begin(self) -> None:
        """Let Haystack's pipelines make spans from now on."""
        enable_tracing(_Components(self.tracer))

    def of(self, app: ASGIApp) -> "Traced":
        """Return the app with a span for each of its requests."""
        return Traced(app, self.tracer)

    def close(self) -> None:
        """Send what is left, if the collector takes it soon."""
        closing = threading.Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(CLOSE_SECONDS)


class Traced:
    """An ASGI app whose requests are spans."""

    def __init__(self, app: ASGIApp, tracer: api.Tracer) -> None:
        self._app = app
        self._tracer = tracer
        self._propagator = TraceContextTextMapPropagator()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        route = find(scope["path"])
        template = route.template if route is not None else "unknown"
        with self._tracer.start_as_current_span(
            f"{scope['method']} {template}",
            self._propagator.extract(scope["headers"], getter=_HEADERS),
            SpanKind.SERVER,
            {"http.request.method": scope["method"], "http.route": template},
            record_exception=False,
            set_status_on_exception=False,
        ) as span:

            async def noted(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                await send(message)

            try:
                with _failing(span):
                    await self._app(scope, receive, noted)
            except Exception as error:  # the guard makes the response of it
                status = error.status_code if isinstance(error, Problem) else 500
                span.set_attribute("http.response.status_code", status)
                raise


class _Headers(Getter[list[tuple[bytes, bytes]]]):
    """Reads what a caller's trace is; what it adds in `tracestate` is its own, and left."""

    def get(self, carrier: list[tuple[bytes, bytes]], key: str) -> list[str] | None:
        wanted = key.encode()
        if wanted != b"traceparent":
            return None
        return [value.decode("latin-1") for name, value in carrier if name == wanted] or None

    def keys(self, carrier: list[tuple[bytes, bytes]]) -> list[str]:
        return [name.decode("latin-1") for name, _ in carrier]


_HEADERS = _Headers()


class _Components(Tracer):
    """Haystack's spans as the SDK's."""

    def __init__(self, tracer: api.Tracer) -> None:
        self._tracer = tracer

    @contextlib.contextmanager
    def trace(
        self,
        operation_name: str,
        tags: dict[str, Any] | None = None,
        parent_span: Span | None = None,
    ) -> Iterator[Span]:
        above = None if parent_span is None else api.set_span_in_context(parent_span.raw_span())
        name = (tags or {}).get("haystack.component.name", operation_name)
        with (
            self._tracer.start_as_current_span(
                str(name),
                above,
                attributes=_kept(tags or {}),
                record_exception=False,
                set_status_on_exception=False,
            ) as span,
            _failing(span),
        ):
            yield _Component(span)

    def current_span(self) -> Span | None:
        span = api.get_current_span()
        return _Component(span) if span.is_recording() else None


class _Component(Span):
    def __init__(self, span: api.Span) -> None:
        self._span = span

    def set_tag(self, key: str, value: Any) -> None:
        for kept, text in _kept({key: value}).items():
            self._span.set_attribute(kept, text)

    def set_content_tag(self, key: str, value: Any) -> None:
        """Leave out what was said, whatever the environment asks for."""

    def raw_span(self) -> api.Span:
        return self._span


def _kept(tags: Mapping[str, Any]) -> dict[str, str | int]:
    return {
        key: value if isinstance(value, int) else str(value)
        for key in KEPT_TAGS
        if (value := tags.get(key)) is not None
    }


@contextlib.contextmanager
def _failing(span: api.Span) -> Iterator[None]:
    """Note which error passed, by its type alone: its text may hold what was said."""
    try:
        yield
    except Exception as error:  # not CancelledError: the caller has hung up
        # a caller's own mistake is no error of the service
        if not (isinstance(error, Problem) and error.status_code < 500):
            cause = error.__cause__ or error  # of what Haystack wraps
            span.set_status(Status(StatusCode.ERROR, type(cause).__name__))
        raise
