"""Fetches a backup from a service into a file that has its name only once it was checked."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from stackyard.archives import Archive, SealedArchive, checked
from stackyard.client import Service
from stackyard.errors import Trouble

Watch = Callable[[int, Iterator[bytes]], Iterator[bytes]]


def check_free(file: Path, option: str) -> None:
    """Refuse a file that is there; raises Trouble."""
    if file.exists():
        message = f"{file} is there already"
        raise Trouble(message, f"name another file: {option} FILE")


def fetch(
    service: Service, file: Path, watch: Watch = lambda _size, pieces: pieces
) -> Archive | SealedArchive:
    """Write a backup of this moment, for this user only; raises Trouble where a part is damaged.

    `watch` sees its size in bytes, and the pieces as they go by.
    """
    partial = file.with_name(f"{file.name}.part")
    try:
        with (
            service.backup() as (size, pieces),
            os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out,
        ):
            for piece in watch(size, pieces):
                out.write(piece)
            out.flush()
            os.fsync(out.fileno())
        held = checked(partial)
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
    return held
