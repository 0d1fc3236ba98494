"""Runs the model server, fills a model cache, or serves weights as a model store."""

import argparse
import logging
import socket
import ssl
import sys
from collections.abc import Sequence
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from local.models.catalog import files_of
from local.models.engines import Engines, load_engines
from local.models.files import WeightsError, check_weights, find_weights
from local.models.server import Server
from local.models.settings import Settings, SettingsError, load_settings, load_store_settings
from local.models.settings import store_key as load_store_key

# Answers in progress at SIGTERM; Kubernetes kills after 30 s.
GRACE_SECONDS = 25


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m local.models", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("serve", help="serve the models (the default)")
    commands.add_parser("download-to-cache", help="fill NIM_CACHE_PATH from a model store")
    store = commands.add_parser("model-store", help="serve a directory of weights for downloads")
    store.add_argument("directory", type=Path)
    store.add_argument("--host", default="127.0.0.1")
    store.add_argument("--port", type=int, default=0)
    metrics = commands.add_parser("metrics-api", help="tell Kubernetes the servers' gauges")
    metrics.add_argument("--host", default="0.0.0.0")
    metrics.add_argument("--port", type=int, default=8443)
    chosen = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s", stream=sys.stdout)
    try:
        if chosen.command == "download-to-cache":
            from local.models.cache import download_to_cache

            download_to_cache(load_store_settings())
            return 0
        if chosen.command == "model-store":
            from local.models.store import store_app

            key = load_store_key()
            return _run(store_app(chosen.directory, key), "model store", chosen.host, chosen.port)
        if chosen.command == "metrics-api":
            from local.models.metrics_api import certificate, load_sources, metrics_app

            app = metrics_app(load_sources())
            return _run(app, "metrics API", chosen.host, chosen.port, certificate())
        return serve(load_settings())
    except (SettingsError, WeightsError) as error:
        print(error, file=sys.stderr)
        return 1


def serve(settings: Settings) -> int:
    """Serve until told to stop; 1 if the models could not be loaded."""
    weights = find_weights(settings)
    failures: list[str] = []

    def load() -> Engines:
        check_weights(weights, files_of(settings.roles))
        return load_engines(settings, weights)

    def failed() -> None:
        failures.append("load")
        server.should_exit = True

    app = Server(settings, load, failed).app()
    listener = _listen(settings.host, settings.port)
    server = web_server(app, settings.tls)
    what = "all" if len(settings.roles) > 1 else settings.roles[0]
    print(
        f"local.models: {what} on {_address(listener, settings.tls)}, {settings.threads} threads",
        flush=True,
    )
    server.run(sockets=[listener])
    return 1 if failures else 0


def _run(
    app: Starlette, what: str, host: str, port: int, tls: tuple[Path, Path] | None = None
) -> int:
    listener = _listen(host, port)
    print(f"local.models: {what} on {_address(listener)}", flush=True)
    web_server(app, tls).run(sockets=[listener])
    return 0


def web_server(app: Starlette, tls: tuple[Path, Path] | None = None) -> uvicorn.Server:
    """Return what serves an app, by TLS with a key and its certificate. Raises SettingsError."""
    key, certificate = tls or (None, None)
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        ssl_keyfile=key,
        ssl_certfile=certificate,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        message = (
            f"NIM_SSL_CERTS_PATH is '{certificate}', which cannot be used with its key: "
            f"{type(error).__name__}\nhint: both must be PEM, and belong together"
        )
        raise SettingsError(message) from None
    return uvicorn.Server(config)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        message = (
            f"cannot listen on {host} port {port}: {error.strerror}\n"
            "hint: set LOCAL_MODELS_PORT to a free port, or 0 for any"
        )
        raise SettingsError(message) from None


def _address(listener: socket.socket, tls: tuple[Path, Path] | None = None) -> str:
    host, port = listener.getsockname()[:2]
    scheme = "http" if tls is None else "https"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
