"""Start the server: `python -m local.qdrant`."""

import logging
import os
import signal
import socket
import ssl
import sys
from types import FrameType

import uvicorn

from local.qdrant.errors import StartError
from local.qdrant.server import TITLE, application
from local.qdrant.settings import Settings
from local.qdrant.storage import Storage

# how long a stop waits for requests under way
GRACE_SECONDS = 5


def stop(number: int, frame: FrameType | None) -> None:
    """End with status 0; uvicorn takes over while it serves and calls this when it is done."""
    raise SystemExit(0)


def listening(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family)
    except OSError as error:
        message = (
            f"QDRANT_EDGE_HOST is '{settings.host}' and QDRANT_EDGE_PORT is '{settings.port}', "
            f"where nobody can listen: {os.strerror(error.errno or 0)}\n"
            "hint: stop what listens there, or set another port"
        )
        raise StartError(message) from error


def check_pair(settings: Settings) -> None:
    """Refuse a certificate that cannot be used with its key."""
    if settings.tls_cert is None:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(settings.tls_cert, settings.tls_key)
    except (OSError, ssl.SSLError) as error:
        message = (
            f"QDRANT_EDGE_TLS_CERT_FILE is '{settings.tls_cert}', which cannot be used with its "
            f"key: {type(error).__name__}\nhint: both must be PEM, and belong together"
        )
        raise StartError(message) from error


def main() -> int:
    signal.signal(signal.SIGTERM, stop)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        settings = Settings.from_environment()
        check_pair(settings)
        listener = listening(settings)
        storage = Storage(settings)
    except StartError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    logging.info(
        "%s on %s:%s, %s, data in %s, %s collections, key %s",
        TITLE,
        *listener.getsockname()[:2],
        "TLS" if settings.tls_cert else "plain",
        settings.directory,
        len(storage.names()),
        "required" if settings.api_key or settings.read_only_api_key else "not required",
    )
    config = uvicorn.Config(
        application(storage),
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        server_header=False,
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
    )
    server = uvicorn.Server(config)
    server.run(sockets=[listener])
    return 0


if __name__ == "__main__":
    sys.exit(main())
