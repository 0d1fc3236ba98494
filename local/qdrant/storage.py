"""The storage directory: one owner, its collections and aliases, and work in the background."""

import fcntl
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, RLock, Thread
from time import monotonic
from uuid import uuid4

from local.qdrant.catalogue import Catalogue, Entry
from local.qdrant.configuration import Configuration
from local.qdrant.errors import ApiError, StartError, bad_request, not_found
from local.qdrant.fields import Json
from local.qdrant.files import remove_tree, used_bytes
from local.qdrant.optimizer import optimized
from local.qdrant.settings import Settings
from local.qdrant.shard import Shard

LOG = logging.getLogger("local.qdrant")
FLUSH_SECONDS = 10.0
REST_SECONDS = 60.0
FORBIDDEN = set('<>:"/\\|?*\0')


@dataclass
class Collection:
    """A collection as requests use it."""

    name: str
    entry: Entry
    configuration: Configuration
    shard: Shard
    optimizing: bool = False
    flushed_at: float = 0.0
    rests_until: float = 0.0


def check_name(name: str, what: str) -> None:
    if not name or len(name) > 255 or name in (".", "..") or FORBIDDEN & set(name):
        message = f"{what} name '{name}' must have 1 to 255 characters and none of <>:\"/\\|?*"
        raise bad_request(message)


class Storage:
    """Everything under one directory, for one process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.root = settings.directory
        self._lock_file = self._take_directory()
        self._changing = RLock()
        self._stopping = Event()
        self._catalogue = Catalogue.load(self.root / "catalogue.json")
        (self.root / "shards").mkdir(exist_ok=True)
        self._remove_leftovers()
        self._collections = {
            name: self._load(name, entry) for name, entry in self._catalogue.entries.items()
        }
        self._worker = Thread(target=self._work, name="background", daemon=True)
        self._worker.start()

    def close(self) -> None:
        """Stop the background work and flush; an unfinished optimization is dropped."""
        self._stopping.set()
        self._worker.join()
        for collection in self._collections.values():
            collection.shard.close()
        os.close(self._lock_file)

    def _take_directory(self) -> int:
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.root / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            message = (
                f"QDRANT_EDGE_DIR is '{self.root}', which cannot be written: {error.strerror}\n"
                f"hint: let user {os.getuid()} write there, or set another directory"
            )
            raise StartError(message) from error
        try:
            # the kernel drops the lock with its process, however that ends
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(handle)
            message = (
                f"QDRANT_EDGE_DIR is '{self.root}', which another server is using\n"
                "hint: stop that server, or set another directory"
            )
            raise StartError(message) from error
        return handle

    def _remove_leftovers(self) -> None:
        """Remove copies and deletions that a crash left half done."""
        known = {entry.shard for entry in self._catalogue.entries.values()}
        for path in (self.root / "shards").iterdir():
            if path.name not in known:
                remove_tree(path)
        for path in self.root.glob("snapshots/*/*.part"):
            path.unlink()

    def _load(self, name: str, entry: Entry) -> Collection:
        configuration = Configuration.read(entry.configuration)
        try:
            shard = Shard.load(self.root / "shards" / entry.shard, configuration)
        except ApiError as error:
            message = (
                f"collection '{name}' in {self.root / 'shards' / entry.shard} cannot be opened: "
                f"{error.message}\nhint: put a backup of the directory back"
            )
            raise StartError(message) from error
        return Collection(name, entry, configuration, shard)

    # collections

    def names(self) -> list[str]:
        return sorted(self._collections)

    def collections(self) -> list[Collection]:
        return list(self._collections.values())

    def exists(self, name: str) -> bool:
        return self._catalogue.aliases.get(name, name) in self._collections

    def collection(self, name: str) -> Collection:
        """Find a collection by its name or an alias of it."""
        found = self._collections.get(self._catalogue.aliases.get(name, name))
        if found is None:
            message = f"Collection `{name}` doesn't exist!"
            raise not_found(message)
        return found

    def create(self, name: str, configuration: Configuration) -> None:
        check_name(name, "collection")
        self.require_space(1 << 20)
        with self._changing:
            if name in self._collections or name in self._catalogue.aliases:
                raise ApiError(409, f"Wrong input: Collection `{name}` already exists!")
            entry = Entry(uuid4().hex, configuration.given, _now())
            shard = Shard.create(self.shard_path(entry.shard), configuration)
            with self._saved():
                self._catalogue.entries[name] = entry
            self._collections[name] = Collection(name, entry, configuration, shard)

    def delete(self, name: str) -> bool:
        with self._changing:
            collection = self._collections.pop(self._catalogue.aliases.get(name, name), None)
            if collection is None:
                return False
            aliases = {a: c for a, c in self._catalogue.aliases.items() if c != collection.name}
            with self._saved():
                del self._catalogue.entries[collection.name]
                self._catalogue.aliases = aliases
        collection.shard.close()
        remove_tree(collection.shard.path)
        remove_tree(self.snapshot_directory(collection.name))
        return True

    def reconfigure(self, collection: Collection, configuration: Configuration) -> None:
        with self._changing:
            collection.shard.reload(configuration)
            with self._saved():
                collection.entry.configuration = configuration.given
            collection.configuration = configuration

    def set_index(self, collection: Collection, field: str, schema: Json) -> None:
        """Remember how an index was asked for, to tell it back."""
        with self._changing, self._saved():
            if schema is None:
                collection.entry.indexes.pop(field, None)
            else:
                collection.entry.indexes[field] = schema

    def use_shard(self, name: str, entry: Entry, configuration: Configuration) -> None:
        """Put a restored shard in the place of a collection, or make the collection."""
        check_name(name, "collection")
        shard = Shard.load(self.shard_path(entry.shard), configuration)
        with self._changing:
            with self._saved():
                self._catalogue.entries[name] = entry
            old = self._collections.get(name)
            self._collections[name] = Collection(name, entry, configuration, shard)
        if old is not None:
            old.shard.close()
            remove_tree(old.shard.path)

    # aliases

    def aliases(self) -> dict[str, str]:
        return dict(self._catalogue.aliases)

    def change_aliases(self, change: Callable[[dict[str, str]], None]) -> None:
        """Apply a list of changes to the aliases, all or none."""
        with self._changing:
            draft = dict(self._catalogue.aliases)
            change(draft)
            with self._saved():
                self._catalogue.aliases = draft

    # places and space

    def shard_path(self, name: str) -> Path:
        return self.root / "shards" / name

    def snapshot_directory(self, name: str) -> Path:
        return self.root / "snapshots" / name

    def require_space(self, size: int, *, freeing: bool = False) -> None:
        """Refuse early: once the engine meets a full disk it can only crash."""
        free = shutil.disk_usage(self.root).free
        # deleting is how a user makes room, so it may use most of the reserve
        reserve = self.settings.min_free_bytes // (4 if freeing else 1)
        # a point is stored in the log and in a segment, and pages are allocated ahead
        if free < reserve + 4 * size:
            message = (
                f"No space left: {free >> 20} MiB free in {self.root}, "
                f"{(reserve + 4 * size) >> 20} MiB needed. "
                "hint: delete points or snapshots, or enlarge the volume"
            )
            raise ApiError(507, message)

    @contextmanager
    def _saved(self) -> Iterator[None]:
        """Write the catalogue after the change, and undo the change if that fails."""
        entries, aliases = dict(self._catalogue.entries), dict(self._catalogue.aliases)
        yield
        try:
            self._catalogue.save()
        except OSError:
            self._catalogue.entries, self._catalogue.aliases = entries, aliases
            raise

    # background work

    def _work(self) -> None:
        while not self._stopping.wait(0.5):
            for collection in self.collections():
                if monotonic() < collection.rests_until:
                    continue
                try:
                    self._tend(collection)
                except (ApiError, OSError) as error:
                    # tried again later; requests meet the same error themselves
                    collection.rests_until = monotonic() + REST_SECONDS
                    LOG.warning("background work on '%s': %s", collection.name, error)

    def _tend(self, collection: Collection) -> None:
        shard = collection.shard
        if shard.unflushed and monotonic() - collection.flushed_at > FLUSH_SECONDS:
            collection.flushed_at = monotonic()
            shard.flush()
        if shard.changed_points >= self.settings.optimize_after:
            self._optimize(collection)

    def _optimize(self, collection: Collection) -> None:
        """Optimize a copy in a process of its own, then go on with the copy."""
        shard, name = collection.shard, uuid4().hex
        self.require_space(used_bytes(shard.path) // 2)
        copy = self.shard_path(name)
        collection.optimizing = True
        before = collection.configuration
        try:
            shard.copy(copy, follow=True)
            if not optimized(copy, self._stopping):
                return

            def commit() -> None:
                before_shard, collection.entry.shard = collection.entry.shard, name
                try:
                    self._catalogue.save()
                except OSError:
                    collection.entry.shard = before_shard
                    raise

            with self._changing:
                if (
                    self._collections.get(collection.name) is collection
                    and collection.configuration is before
                ):
                    old = shard.path
                    shard.replace(copy, collection.configuration, commit)
                    copy = old
        finally:
            collection.optimizing = False
            shard.forget_copy()
            remove_tree(copy)


def _now() -> str:
    return datetime.now(tz=UTC).isoformat()
