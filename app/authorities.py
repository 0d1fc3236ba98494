"""Whom the app trusts to vouch for what it calls: the public authorities and a file of the site."""

import atexit
import os
import ssl
import tempfile
from pathlib import Path

import certifi


def bundle(given: Path) -> Path:
    """Return a file with the public authorities and the given ones, until the process ends.

    Raises ValueError where there is no certificate in the given file.
    """
    own = given.read_bytes()
    try:
        ssl.create_default_context(cadata=own.decode("ascii"))
    except (ssl.SSLError, UnicodeDecodeError) as error:
        message = f"{given} has no certificate in PEM form"
        raise ValueError(message) from error
    handle, path = tempfile.mkstemp(suffix=".pem")
    with os.fdopen(handle, "wb") as file:
        file.write(Path(certifi.where()).read_bytes() + b"\n" + own)
    made = Path(path)
    atexit.register(made.unlink, missing_ok=True)
    return made
