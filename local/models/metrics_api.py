"""A stand-in for KEDA's metrics server: Kubernetes asks it for numbers that model servers tell.

It answers external.metrics.k8s.io/v1beta1 over TLS, so that the real HorizontalPodAutoscaler
drives the servers where KEDA is not to be had. It scales nothing itself.
"""

import asyncio
import json
import logging
import os
import socket
import subprocess
import tempfile
import urllib.request
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.models.settings import PREFIX, SettingsError

GROUP_VERSION = "external.metrics.k8s.io/v1beta1"
ROOT = f"/apis/{GROUP_VERSION}"
SECONDS = 3.0  # for one server to answer in
LOG = logging.getLogger("local.models.metrics_api")


@dataclass(frozen=True)
class GaugeSource:
    """Where a number comes from: a gauge of every server behind a host name."""

    url: str
    gauge: str
    over: Literal["sum", "average"]


def load_sources(environment: Mapping[str, str] = os.environ) -> dict[str, GaugeSource]:
    """Return the numbers by name, or stop with what is wrong with them."""
    text = environment.get(f"{PREFIX}GAUGES", "")
    try:
        return {name: GaugeSource(**given) for name, given in json.loads(text).items()}
    except (ValueError, TypeError, AttributeError):
        message = (
            f"{PREFIX}GAUGES is {text!r}: expected an object of "
            '{"NAME": {"url": URL, "gauge": GAUGE, "over": "sum" or "average"}}\n'
            "hint: the variables are listed in local/models/README.md"
        )
        raise SettingsError(message) from None


def metrics_app(
    sources: Mapping[str, GaugeSource], addresses: Callable[[str, int], Iterable[str]] | None = None
) -> Starlette:
    """Return the ASGI app; `addresses` finds the servers behind a host name and port."""
    found = addresses or addresses_of

    async def metric(request: Request) -> Response:
        name = request.path_params["metric"]
        if name not in sources:
            return _refused(404, f"there is no metric {name}; there are {', '.join(sources)}")
        try:
            value = await read(sources[name], found)
        except (OSError, ValueError) as error:
            LOG.warning("%s: %s", name, error)
            return _refused(503, f"no server tells {name}: {error}")
        item = {
            "metricName": name,
            "metricLabels": {},
            "timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "value": f"{round(value * 1000)}m",
        }
        return JSONResponse({**_kind("ExternalMetricValueList"), "metadata": {}, "items": [item]})

    async def resources(_request: Request) -> Response:
        listed = [
            {
                "name": name,
                "singularName": "",
                "namespaced": True,
                "kind": "ExternalMetricValueList",
                "verbs": ["get"],
            }
            for name in sources
        ]
        return JSONResponse(
            {
                "kind": "APIResourceList",
                "apiVersion": "v1",
                "groupVersion": GROUP_VERSION,
                "resources": listed,
            }
        )

    async def health(_request: Request) -> Response:
        return Response("ok")

    return Starlette(
        routes=[
            Route(ROOT, resources),
            Route(f"{ROOT}/namespaces/{{namespace}}/{{metric}}", metric),
            Route("/healthz", health),
        ]
    )


async def read(source: GaugeSource, found: Callable[[str, int], Iterable[str]]) -> float:
    """Return the sum or average over the servers that answer.

    Raises OSError where none does, ValueError where none of them has the gauge.
    """
    url = urlsplit(source.url)
    hosts = await asyncio.to_thread(lambda: sorted(set(found(url.hostname or "", url.port or 80))))
    pages = await asyncio.gather(
        *(
            asyncio.to_thread(_page, urlunsplit(url._replace(netloc=f"{host}:{url.port or 80}")))
            for host in hosts
        ),
        return_exceptions=True,
    )
    texts = [page for page in pages if isinstance(page, str)]
    if not texts:
        wrong = next((page for page in pages if isinstance(page, BaseException)), None)
        message = f"none of {len(hosts)} servers behind {url.hostname} answers: {wrong}"
        raise OSError(message)
    values = [gauge_of(text, source.gauge) for text in texts]
    return sum(values) / (len(values) if source.over == "average" else 1)


def gauge_of(text: str, name: str) -> float:
    """Return the first sample of a gauge in Prometheus' text format, as KEDA does."""
    for line in text.splitlines():
        if line.startswith((f"{name}{{", f"{name} ")):
            return float(line.rpartition(" ")[2])
    message = f"there is no {name} among its metrics"
    raise ValueError(message)


def addresses_of(host: str, port: int) -> Iterable[str]:
    """Return the IPv4 addresses of a host name: of a headless Service, each ready pod's."""
    found = socket.getaddrinfo(host, port, socket.AF_INET, socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


def certificate() -> tuple[Path, Path]:
    """Make a key and a certificate signed by itself, for as long as this process lives."""
    folder = Path(tempfile.mkdtemp(prefix="metrics-api-"))
    key, cert = folder / "key.pem", folder / "cert.pem"
    command: Sequence[str] = (
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
        *("-nodes", "-days", "3650", "-subj", "/CN=model-metrics"),
        *("-keyout", str(key), "-out", str(cert)),
    )
    subprocess.run(command, check=True, capture_output=True)
    return key, cert


def _page(url: str) -> str:
    with urllib.request.urlopen(url, timeout=SECONDS) as answer:
        return str(answer.read().decode())


def _kind(kind: str) -> dict[str, str]:
    return {"kind": kind, "apiVersion": GROUP_VERSION}


def _refused(status: int, message: str) -> Response:
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status}
    return JSONResponse({**body, "message": message}, status)
