"""All that a service holds, taken at one moment into a file, and put into an empty service.

At that moment no job runs, in any process: the journal, the points and the files belong together.
The service answers all the while, and what is uploaded waits.
"""

import asyncio
import logging
import shutil
import sqlite3
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from app.access.key_store import KeyStore
from app.backup.archive import BadArchive, Manifest, member, size_of, unpack, written
from app.backup.points import PointLines
from app.backup.rows import check_rows
from app.backup.sealing import PLAIN, SEALED, Key, Opener, WrongKey, keys_in, sealed, sealed_size
from app.documents.library import Library
from app.documents.opening import WrongFormat, check_format
from app.models import store_settings
from app.problems import Problem, disk_full, invalid
from app.secrets import read_secret
from app.settings import Settings
from app.sharing.presence import Presence
from app.sharing.turnstile import Closed, Hall, Turnstile
from app.stores import Stores

log = logging.getLogger("app.backup")
REST_SECONDS = 300.0  # as long as the longest reading of one file may take
JOURNAL, KEYS = "journal.sqlite3", "keys.sqlite3"


@dataclass(frozen=True)
class Held:
    """A backup that lies ready; `close` gives its disk space back."""

    manifest: Manifest
    root: Path
    key: Key | None  # it is sealed with

    @property
    def suffix(self) -> str:
        """Return what the name of the file ends in."""
        return PLAIN if self.key is None else SEALED

    def size(self) -> int:
        """Return how many bytes the file has."""
        size = size_of(self.manifest)
        return size if self.key is None else sealed_size(size)

    def pieces(self) -> Iterator[bytes]:
        """Yield the file, piece by piece."""
        plain = written(self.root, self.manifest)
        return plain if self.key is None else sealed(plain, size_of(self.manifest), self.key)

    def close(self) -> None:
        """Remove what was kept for it."""
        shutil.rmtree(self.root, ignore_errors=True)


class Backups:
    """Makes and takes backups, one at a time whatever process is asked."""

    def __init__(
        self,
        settings: Settings,
        library: Library,
        keys: KeyStore,
        stores: Stores,
        *,
        presence: Presence,
        turnstile: Turnstile,
    ) -> None:
        self._settings = settings
        self._library = library
        self._keys = keys
        self._stores = stores
        self._root = settings.data_dir / "backup"
        # the first seals, all open
        self._sealing = keys_in(read_secret(settings.backup_keys_file) or "")
        self._presence = presence
        self._turnstile = turnstile

    def tidy(self) -> None:
        """Remove what processes that died have left."""
        for folder in self._root.glob("*"):
            if not self._presence.is_alive(folder.name.partition(".")[0]):
                shutil.rmtree(folder, ignore_errors=True)

    async def take(self) -> Held:
        """Return a backup of this moment. Raises Problem 409 where a job runs for too long."""
        async with self._alone() as (root, hall):
            try:
                await _at_rest(hall)
                points = await self._save_points(root)
                manifest = await asyncio.to_thread(self._save_files, root, points)
            except BaseException:
                shutil.rmtree(root, ignore_errors=True)
                raise
        log.info("backup", extra={"documents": manifest.documents, "points": sum(points.values())})
        return Held(manifest, root, next(iter(self._sealing), None))

    async def restore(
        self, body: AsyncIterator[bytes], *, declared: int, plain: bool = False
    ) -> Manifest:
        """Put a backup into this service, which must hold no document; all of it or nothing.

        With `plain` it need not be sealed where there are keys. Raises Problem: 409 not empty,
        sealed with another key or made with another model, 422 damaged or not sealed, 507 no space.
        """
        self._check_empty()
        # twice: the file as it came, and what is in it
        needed = 2 * declared + self._library.min_free_bytes
        if await asyncio.to_thread(self._library.shelf.free_bytes) < needed:
            raise disk_full()
        async with self._alone() as (root, hall):
            try:
                await _receive(body, root / "backup.tar", Opener(self._sealing, plain=plain))
                manifest = await asyncio.to_thread(unpacked, root)
                self._check_model(manifest)
                await _at_rest(hall)
                self._check_empty()
                await self._load(root, manifest)
            finally:
                await asyncio.to_thread(shutil.rmtree, root, ignore_errors=True)
        log.info("restored", extra={"documents": manifest.documents})
        return manifest

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[tuple[Path, Hall]]:
        async with AsyncExitStack() as stack:
            try:
                hall = await stack.enter_async_context(self._turnstile.closed())
            except Closed:
                title = "Another backup or restore is running"
                raise Problem(409, "busy", title, "Try again later") from None
            await asyncio.to_thread(self._stores.catch_up)
            root = self._root / f"{self._presence.token}.{uuid.uuid4().hex}"
            root.mkdir(parents=True)
            yield root, hall

    async def _save_points(self, root: Path) -> dict[str, int]:
        (root / "points").mkdir()
        counts = {}
        for collection in await asyncio.to_thread(self._library.journal.collections):
            lines = await asyncio.to_thread(self._lines, collection)
            try:
                counts[collection] = await lines.save(root / f"points/{collection}.jsonl")
            finally:
                await lines.close()
        return counts

    def _lines(self, collection: str) -> PointLines:
        live = self._stores.generations.live(collection)
        return PointLines(store_settings(self._settings, live.model), live.physical)

    def _save_files(self, root: Path, points: dict[str, int]) -> Manifest:
        journal, shelf = self._library.journal, self._library.shelf
        with shelf.lock:  # an upload in this moment is in both or in neither
            journal.copy_to(root / JOURNAL)
            shared = shelf.share(root, journal.needed())
        self._keys.copy_to(root / KEYS)
        names = [JOURNAL, KEYS, *(f"points/{each}.jsonl" for each in points), *shared]
        model = self._stores.generations.live(self._settings.collection).model
        return Manifest(
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            dimension=model.dimension,
            model=model.name,
            documents=journal.count(None),
            points=points,
            members=tuple(member(root, name) for name in names),
        )

    def _check_empty(self) -> None:
        held = self._library.journal.count(None)
        if held:
            raise Problem(
                409,
                "not-empty",
                "This service holds documents",
                f"It holds {held}; a backup goes into an empty one. Delete them first",
            )

    def _check_model(self, manifest: Manifest) -> None:
        model = self._stores.generations.live(self._settings.collection).model
        ours = (model.name, model.dimension)
        theirs = (manifest.model, manifest.dimension)
        if ours != theirs:
            raise Problem(
                409,
                "another-model",
                "The backup was made with another embedding model",
                f"It has vectors of {theirs[0]} with {theirs[1]} numbers, and this service embeds"
                f" with {ours[0]}, {ours[1]} numbers: set that model, or ingest the documents anew",
            )

    async def _load(self, root: Path, manifest: Manifest) -> None:
        """Put everything in place; the journal last, for nothing is there before it says so."""
        for collection in manifest.points:
            await asyncio.to_thread(self._stores.open, [collection])
            lines = await asyncio.to_thread(self._lines, collection)
            try:
                await lines.load(root / f"points/{collection}.jsonl")
            finally:
                await lines.close()
        await asyncio.to_thread(self._library.shelf.adopt, root)
        await asyncio.to_thread(self._keys.take_over, root / KEYS)
        await asyncio.to_thread(self._library.journal.take_over, root / JOURNAL)


async def _at_rest(hall: Hall) -> None:
    try:
        await hall.empty(REST_SECONDS)
    except TimeoutError:
        raise Problem(
            409,
            "busy",
            "A document is being read for too long",
            "See GET /v1/documents for what is running; cancel it or try again later",
        ) from None


async def _receive(body: AsyncIterator[bytes], file: Path, opener: Opener) -> None:
    try:
        with await asyncio.to_thread(file.open, "wb") as out:
            async for piece in body:
                await asyncio.to_thread(lambda each: out.write(opener.feed(each)), piece)
        opener.finish()
    except WrongKey as error:
        raise Problem(
            409,
            "another-key",
            "The backup is sealed with another key",
            f"The backup cannot be taken: {error}. Nothing was changed; add its key to the stack's"
            " backupKeys, after the one in use. Without it nobody can open the backup",
        ) from error
    except BadArchive as error:
        raise _damaged(error) from error


def _damaged(error: BadArchive) -> Problem:
    return invalid(f"The backup cannot be taken: {error}. Nothing was changed")


def unpacked(root: Path) -> Manifest:
    """Unpack what was received where it lies, and say what it holds.

    Raises Problem: 422 damaged, 409 of a version that this one does not know.
    """
    try:
        manifest = unpack(root / "backup.tar", root)
    except BadArchive as error:
        raise _damaged(error) from error
    (root / "backup.tar").unlink()
    try:
        with closing(sqlite3.connect(root / JOURNAL)) as journal:
            check_format(journal)
        check_rows(root / JOURNAL, root / KEYS)
    except BadArchive as error:
        raise _damaged(error) from error
    except sqlite3.DatabaseError as error:
        raise _damaged(BadArchive(f"{JOURNAL} is no journal")) from error
    except WrongFormat as error:
        raise Problem(
            409,
            "later-version",
            "The backup was made by a later version",
            f"The backup cannot be taken: {error}. Nothing was changed; restore it with the"
            " version that made it, or a later one",
        ) from error
    return manifest
