"""All that a service holds, taken at one moment into a file, and put into an empty service.

At that moment no job runs, in any process: the journal, the points and the files belong together.
The service answers all the while, and what is uploaded waits. A backup may continue another one:
then it has the journal and the keys, and of the points and files only what changed since.
"""

import asyncio
import logging
import shutil
import uuid
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from app.access.key_store import KeyStore
from app.backup.archive import BadArchive, Manifest, listing
from app.backup.chain import JOURNAL, KEYS, Part
from app.backup.held import Held
from app.backup.kept import new_mark
from app.backup.points import PointLines
from app.backup.quiet import at_rest, check_whole
from app.backup.receiving import problem_of, received
from app.backup.sealing import keys_in
from app.documents.library import Library
from app.documents.moments import Changes, Unknown
from app.models import store_settings
from app.problems import Problem, disk_full
from app.secrets import read_secret
from app.settings import Settings
from app.sharing.presence import Presence
from app.sharing.turnstile import Closed, Hall, Turnstile
from app.stores import Stores

log = logging.getLogger("app.backup")


@dataclass(frozen=True)
class Restored:
    """What a service holds after a restore; `created` is the moment that it is of."""

    created: str
    documents: int
    points: int


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
        lost: Callable[[], Collection[str]],
    ) -> None:
        """`lost` returns what Qdrant has lost and is not there again yet."""
        self._settings = settings
        self._library = library
        self._keys = keys
        self._stores = stores
        self._root = settings.data_dir / "backup"
        # the first seals, all open
        self._sealing = keys_in(read_secret(settings.backup_keys_file) or "")
        self._presence = presence
        self._turnstile = turnstile
        self._lost = lost

    def tidy(self) -> None:
        """Remove what processes that died have left."""
        for folder in self._root.glob("*"):
            if not self._presence.is_alive(folder.name.partition(".")[0]):
                shutil.rmtree(folder, ignore_errors=True)

    async def take(self, since: str | None = None) -> Held | None:
        """Return a backup of this moment, or of what changed since a mark; None where nothing did.

        Raises Problem: 409 where a job runs for too long, and where nobody can tell any more what
        changed since.
        """
        # Before anything has to come to rest for it.
        if since is not None and (await asyncio.to_thread(self._changed, since)).nothing:
            return None
        root = self._new_root()
        try:
            async with self._alone() as hall:
                await at_rest(hall)
                manifest, names = await self._cut(root, since)
            # Jobs go on meanwhile: what lies here changes no more.
            manifest = await asyncio.to_thread(listing, root, manifest, names)
        except BaseException:
            shutil.rmtree(root, ignore_errors=True)
            raise
        told = {"documents": manifest.documents, "points": sum(manifest.points.values())}
        log.info("backup", extra={**told, "continues": since})
        return Held(manifest, root, next(iter(self._sealing), None))

    async def restore(
        self,
        body: AsyncIterator[bytes],
        *,
        declared: int,
        several: bool = False,
        plain: bool = False,
    ) -> Restored:
        """Put a backup into this service, which must hold no document; all of it or nothing.

        `several`: the body is a whole one and those that continue it, as app/backup/chain.py has
        it. With `plain` they need not be sealed where there are keys. Raises Problem: 409 not
        empty, sealed with another key, made with another model, not going on from each other, 422
        damaged or not sealed, 507 no space.
        """
        self._check_empty()
        # twice: the file as it came, and what is in it
        needed = 2 * declared + self._library.min_free_bytes
        if await asyncio.to_thread(self._library.shelf.free_bytes) < needed:
            raise disk_full()
        root = self._new_root()
        try:
            async with self._alone() as hall:
                parts = await received(body, root, self._sealing, several=several, plain=plain)
                for each in parts:
                    self._check_model(each.manifest)
                await at_rest(hall)
                self._check_empty()
                points = await self._load(parts)
        except BadArchive as error:
            raise problem_of(error) from error
        finally:
            await asyncio.to_thread(shutil.rmtree, root, ignore_errors=True)
        last = parts[-1].manifest
        log.info("restored", extra={"documents": last.documents, "files": len(parts)})
        return Restored(last.created, last.documents, points)

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[Hall]:
        async with AsyncExitStack() as stack:
            try:
                hall = await stack.enter_async_context(self._turnstile.closed())
            except Closed:
                title = "Another backup or restore is running"
                raise Problem(409, "busy", title, "Try again later") from None
            await asyncio.to_thread(self._stores.catch_up)
            yield hall

    def _new_root(self) -> Path:
        root = self._root / f"{self._presence.token}.{uuid.uuid4().hex}"
        root.mkdir(parents=True)
        return root

    def _changed(self, since: str) -> Changes:
        try:
            return self._library.journal.changed_since(
                since, keys=self._keys.digest(), vectors=self._vectors()
            )
        except Unknown as error:
            raise Problem(
                409,
                "whole-backup-needed",
                "This cannot be told since that mark",
                f"What changed since {since[:64]!r} is not known: {error}. Take a whole backup",
            ) from error

    def _vectors(self) -> str:
        self._stores.catch_up()
        model = self._stores.generations.live(self._settings.collection).model
        return f"{model.name} {model.dimension}"

    async def _cut(self, root: Path, since: str | None) -> tuple[Manifest, list[str]]:
        """Take what belongs to this moment; return it with the names of its files."""
        journal, moment = self._library.journal, datetime.now(UTC)
        mark = new_mark(moment)
        changes = None if since is None else await asyncio.to_thread(self._changed, since)
        change = await asyncio.to_thread(
            lambda: journal.note(mark, keys=self._keys.digest(), vectors=self._vectors())
        )
        points = await self._save_points(root, changes)
        # opening them may have shown it
        await asyncio.to_thread(check_whole, self._lost)
        names = await asyncio.to_thread(self._save_files, root, change, changes)
        model = self._stores.generations.live(self._settings.collection).model
        manifest = Manifest(
            created=moment.isoformat(timespec="seconds"),
            dimension=model.dimension,
            model=model.name,
            documents=journal.count(None),
            points=points,
            members=(),
            mark=mark,
            since=since,
            changed=() if changes is None else tuple(sorted(changes.documents)),
        )
        return manifest, [*names, *(f"points/{each}.jsonl" for each in points)]

    async def _save_points(self, root: Path, changes: Changes | None) -> dict[str, int]:
        (root / "points").mkdir()
        wanted: dict[str, Sequence[str] | None] = {}
        if changes is None:
            found = await asyncio.to_thread(self._library.journal.collections)
            wanted.update(dict.fromkeys(found))
        else:
            wanted.update(changes.collections)
        counts = {}
        for collection, documents in wanted.items():
            lines = await asyncio.to_thread(self._lines, collection)
            try:
                file = root / f"points/{collection}.jsonl"
                counts[collection] = await lines.save(file, documents)
            finally:
                await lines.close()
        return counts

    def _lines(self, collection: str) -> PointLines:
        self._stores.open([collection])  # whose first document may wait still
        live = self._stores.generations.live(collection)
        return PointLines(store_settings(self._settings, live.model), live.physical)

    def _save_files(self, root: Path, change: int, changes: Changes | None) -> list[str]:
        journal, shelf = self._library.journal, self._library.shelf
        with shelf.lock:  # an upload in this moment is in both or in neither
            originals = pages = journal.needed()
            if changes is not None:
                brought = journal.brought_since(changes)
                originals = {pair for pair in originals if pair[0] in brought}
                # a job that made some has stopped since
                pages = {pair for pair in pages if pair[0] in changes.documents}
            journal.copy_to(root / JOURNAL, change=change)
            shared = shelf.share(root, originals, pages)
        self._keys.copy_to(root / KEYS)
        return [JOURNAL, KEYS, *shared]

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

    async def _load(self, parts: Sequence[Part]) -> int:
        """Put everything in place; the journal last, for nothing is there before it says so.

        The newest first: of each document only its last points go in, with its last readers.
        Returns how many points there are.
        """
        count = 0
        cleared: set[str] = set()
        later: set[str] = set()
        for part in reversed(parts):
            for collection in part.manifest.points:
                lines = await asyncio.to_thread(self._lines, collection)
                try:
                    if collection not in cleared:
                        await lines.clear()  # of no document that is there
                        cleared.add(collection)
                    file = part.root / f"points/{collection}.jsonl"
                    count += await lines.load(file, without=later)
                finally:
                    await lines.close()
            later.update(part.manifest.changed)
        await asyncio.to_thread(self._put_files, parts)
        return count

    def _put_files(self, parts: Sequence[Part]) -> None:
        journal, shelf, last = self._library.journal, self._library.shelf, parts[-1].root
        for part in parts:
            shelf.adopt(part.root)
        self._keys.take_over(last / KEYS)
        journal.take_over(last / JOURNAL)
        # what only earlier backups needed: a deleted document does not come back to the disk
        shelf.sweep(journal.needed, self._presence.is_alive)
