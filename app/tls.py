"""The certificate is read again when its file changes: it is renewed while the service runs."""

import logging
import ssl
import threading
import time
from pathlib import Path

log = logging.getLogger("app.tls")
LOOK_SECONDS = 10.0


def keep_certificate_fresh(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    """Let a context that is in use show what is renewed; open connections keep what they have."""
    latest = context

    def show_latest(handshake: ssl.SSLObject, _name: str | None, _first: ssl.SSLContext) -> None:
        handshake.context = latest

    # A context that is in use has no key for a moment while it takes a new pair.
    context.sni_callback = show_latest

    def watch() -> None:
        nonlocal latest
        seen = _stamp(certificate)
        while True:
            time.sleep(LOOK_SECONDS)
            now = _stamp(certificate)
            if now in (seen, None):
                continue
            try:
                renewed = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                renewed.load_cert_chain(certificate, key)
            except (OSError, ssl.SSLError) as error:
                # Its key may be a moment behind; the last pair holds.
                log.warning("certificate not read", extra={"error": type(error).__name__})
                continue
            latest, seen = renewed, now
            log.info("certificate read again")

    threading.Thread(target=watch, name="certificate", daemon=True).start()


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino
