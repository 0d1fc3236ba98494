"""Snapshots: one compressed archive of a collection's settings and data, with a checksum.

They are read by this server only; a Qdrant server has a format of its own.
"""

import gzip
import hashlib
import json
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import IO
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from local.qdrant.catalogue import Entry
from local.qdrant.configuration import Configuration
from local.qdrant.errors import ApiError, bad_request, not_found, unsupported
from local.qdrant.fields import Json
from local.qdrant.files import (
    BLOCK,
    remove_tree,
    replace_file,
    sync_directory,
    sync_tree,
    used_bytes,
    write_sparse,
)
from local.qdrant.storage import Collection, Storage

SUFFIX = ".snapshot"
SETTINGS = "collection.json"
# zeros pack away at the quickest level, vectors do not pack at any
COMPRESSION = 1


def create(storage: Storage, collection: Collection) -> dict[str, object]:
    """Archive the collection as of one moment."""
    storage.require_space(used_bytes(collection.shard.path) // 2)
    directory = storage.snapshot_directory(collection.name)
    directory.mkdir(parents=True, exist_ok=True)
    stamp = datetime.now(tz=UTC).strftime("%Y-%m-%d-%H-%M-%S")
    target = directory / f"{collection.name}-{uuid4().hex[:8]}-{stamp}{SUFFIX}"
    draft = target.with_name(f"{target.name}.part")
    copy = storage.shard_path(f"snapshot-{uuid4().hex}")
    try:
        collection.shard.copy(copy, follow=False)
        entry = collection.entry
        settings = json.dumps({"configuration": entry.configuration, "indexes": entry.indexes})
        with tarfile.open(draft, "w:gz", compresslevel=COMPRESSION) as archive:
            header = tarfile.TarInfo(SETTINGS)
            header.size = len(settings.encode())
            archive.addfile(header, BytesIO(settings.encode()))
            archive.add(copy, "shard")
        checksum = _checksum(draft)
        replace_file(target.with_name(f"{target.name}.checksum"), checksum.encode())
        draft.replace(target)
        sync_directory(directory)
    finally:
        remove_tree(copy)
        draft.unlink(missing_ok=True)
    return describe(target)


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def describe(path: Path) -> dict[str, object]:
    state = path.stat()
    checksum = path.with_name(f"{path.name}.checksum")
    created = datetime.fromtimestamp(state.st_mtime, tz=UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return {
        "name": path.name,
        "creation_time": created,
        "size": state.st_size,
        "checksum": checksum.read_text() if checksum.exists() else None,
    }


def listed(storage: Storage, collection: Collection) -> list[dict[str, object]]:
    directory = storage.snapshot_directory(collection.name)
    return [describe(path) for path in sorted(directory.glob(f"*{SUFFIX}"))]


def find(storage: Storage, collection: Collection, name: str) -> Path:
    path = storage.snapshot_directory(collection.name) / name
    if "/" in name or not name.endswith(SUFFIX) or not path.is_file():
        message = f"Snapshot {name} not found"
        raise not_found(message)
    return path


def delete(storage: Storage, collection: Collection, name: str) -> None:
    path = find(storage, collection, name)
    path.unlink()
    path.with_name(f"{path.name}.checksum").unlink(missing_ok=True)


def recover(storage: Storage, name: str, location: str, checksum: str | None) -> None:
    """Replace or make a collection from an archive that this server wrote."""
    source = _local_file(storage, location)
    if checksum is not None and _checksum(source) != checksum.lower():
        message = f"Snapshot checksum mismatch: {source.name} is not {checksum}"
        raise bad_request(message)
    storage.require_space(source.stat().st_size)
    shard = uuid4().hex
    try:
        settings = _unpack(source, storage.shard_path(shard))
        configuration = Configuration.read(settings["configuration"])
        created = datetime.now(tz=UTC).isoformat()
        entry = Entry(shard, configuration.given, created, settings["indexes"])
        storage.use_shard(name, entry, configuration)
    except (tarfile.TarError, EOFError, KeyError, ValueError, gzip.BadGzipFile) as error:
        remove_tree(storage.shard_path(shard))
        message = f"Snapshot {source.name} is damaged: {error}"
        raise bad_request(message) from error
    except (ApiError, OSError):
        remove_tree(storage.shard_path(shard))
        raise


def _local_file(storage: Storage, location: str) -> Path:
    """Read nothing but our own snapshots: a location must not open the machine's other files."""
    parts = urlsplit(location)
    if parts.scheme not in ("", "file"):
        what = f"recovering from '{location}', only file:// locations"
        raise unsupported(what)
    root = (storage.root / "snapshots").resolve()
    path = Path(unquote(parts.path)).resolve()
    if not path.is_relative_to(root):
        message = f"Snapshot location '{location}' is not in {root}"
        raise ApiError(403, f"Forbidden: {message}")
    if not path.is_file():
        message = f"Snapshot {location} not found"
        raise not_found(message)
    return path


def _unpack(source: Path, target: Path) -> dict[str, dict[str, Json]]:
    settings: dict[str, dict[str, Json]] | None = None
    target.mkdir(parents=True)
    with tarfile.open(source, "r:gz") as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isfile() else None
            if file is not None and member.name == SETTINGS:
                settings = json.loads(file.read(BLOCK))
                continue
            path = PurePosixPath(member.name)
            if path.is_absolute() or ".." in path.parts or path.parts[0] != "shard":
                message = f"unexpected member '{member.name}'"
                raise ValueError(message)
            place = target.joinpath(*path.parts[1:])
            if file is None:
                place.mkdir(exist_ok=True)
            else:
                with place.open("wb") as out:
                    write_sparse(_blocks(file), out)
    sync_tree(target)
    if settings is None:
        message = f"no {SETTINGS} in it"
        raise ValueError(message)
    return settings


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    while block := file.read(BLOCK):
        yield block
