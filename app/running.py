"""Uvicorn around the app: uvloop, httptools, and time for running answers on SIGTERM."""

import asyncio
import contextlib
import logging
import signal
import socket
import ssl
from types import FrameType

import uvicorn

from app import log
from app.doorstep import Doorstep
from app.guard import Guard
from app.server import create
from app.settings import Settings, SettingsProblem
from app.tls import keep_certificate_fresh

logger = logging.getLogger("app")
LOOK_SECONDS = 0.1
# New connections in one turn of the event loop. libuv takes one from each socket that it is given,
# however many wait: under load a turn lasts tens of milliseconds, and a crowd seconds.
ACCEPTED = 16


def _already_stopping(_number: int, _frame: FrameType | None) -> None:
    """Uvicorn raises the signal that ended it once more; a stop that was asked for is a success."""


class _Server(uvicorn.Server):
    """Told to end, it goes on for a while: who sends to it hears later that it is leaving."""

    def __init__(self, config: uvicorn.Config, app: Guard, leave_seconds: float) -> None:
        super().__init__(config)
        self._app = app
        self._leave_seconds = leave_seconds

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + self._leave_seconds
        leaving = asyncio.create_task(self._app.leave())
        while not self.force_exit and (loop.time() < until or not leaving.done()):
            await asyncio.sleep(LOOK_SECONDS)
        await super().shutdown(sockets)
        if not leaving.done():  # told twice
            leaving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await leaving


def run(settings: Settings, opened: socket.socket) -> None:
    """Serve on an open socket until SIGTERM or SIGINT."""
    app = create(settings)
    # Once more: Hayhooks redirected uvicorn's loggers while it was imported.
    log.configure()
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=Doorstep,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        # Else whoever calls could choose the address that rates and the audit log go by.
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=settings.shutdown_seconds,
        ssl_certfile=settings.tls_certificate_file,
        ssl_keyfile=settings.tls_key_file,
    )
    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        message = (
            f"RAG_TLS_CERTIFICATE_FILE is {str(settings.tls_certificate_file)!r}: it cannot be"
            f" used with its key ({type(error).__name__})"
            "\nhint: both must be PEM, the chain with the service's own certificate first"
        )
        raise SettingsProblem(message) from None
    if config.ssl is not None:
        config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
        assert settings.tls_certificate_file is not None
        assert settings.tls_key_file is not None
        keep_certificate_fresh(config.ssl, settings.tls_certificate_file, settings.tls_key_file)
    host, port = opened.getsockname()[:2]
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _already_stopping)
    logger.info("serving", extra={"host": host, "port": port})
    sockets = [opened, *(opened.dup() for _ in range(ACCEPTED - 1))]
    _Server(config, app, settings.leave_seconds).run(sockets=sockets)
    logger.info("stopped")
