"""The certificate is read again when its file changes: it is renewed while the service runs."""

import logging
import ssl
import threading
import time
from pathlib import Path

from app.settings import Settings

log = logging.getLogger("app.tls")
LOOK_SECONDS = 10.0


def keep_certificate_fresh(context: ssl.SSLContext, settings: Settings) -> None:
    """Load what is renewed into a context that is in use; open connections keep what they have."""
    certificate, key = settings.tls_certificate_file, settings.tls_key_file
    assert certificate is not None
    assert key is not None

    def watch() -> None:
        seen = _stamp(certificate)
        while True:
            time.sleep(LOOK_SECONDS)
            now = _stamp(certificate)
            if now in (seen, None):
                continue
            try:
                # A certificate without its key would be taken in, and the old key thrown out.
                ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
                context.load_cert_chain(certificate, key)
            except (OSError, ssl.SSLError) as error:
                # Its key may be a moment behind; the last pair holds.
                log.warning("certificate not read", extra={"error": type(error).__name__})
                continue
            seen = now
            log.info("certificate read again")

    threading.Thread(target=watch, name="certificate", daemon=True).start()


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino
