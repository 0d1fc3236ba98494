"""One collection's data in the engine: reads, durable writes, copies and replacement.

Every call into the engine holds Python's interpreter lock, so calls are short and never overlap.
Building an index takes seconds to minutes and is therefore done elsewhere, on a copy.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TypeVar

import qdrant_edge as edge

from local.qdrant.configuration import Configuration
from local.qdrant.errors import ApiError, bad_request, not_found
from local.qdrant.files import copy_tree, sync_tree
from local.qdrant.journal import GroupCommit, sync_log

Answer = TypeVar("Answer")
Operation = edge.UpdateOperation


@contextmanager
def engine_errors() -> Iterator[None]:
    """Give the engine's errors their HTTP status."""
    try:
        yield
    except (ValueError, TypeError) as error:
        raise bad_request(str(error)) from error
    except (ApiError, OSError):
        raise
    except Exception as error:  # the binding raises plain Exception for all the engine's errors
        text = str(error)
        if text.startswith("No point with id"):
            raise not_found(text) from error
        if "No space left" in text or "Out of disk" in text:
            raise ApiError(507, text) from error
        if text.startswith("Service "):
            raise ApiError(500, text) from error
        raise bad_request(text) from error


class Shard:
    """The engine's shard behind two locks: `_writing` orders writers, `_using` guards the swap."""

    def __init__(self, path: Path, engine: edge.EdgeShard) -> None:
        self.path = path
        self._engine = engine
        self._closed = False
        self._writing = Lock()
        self._using = Lock()
        self._settled: set[int] = set()
        self._commits = GroupCommit(self._sync)
        # operations since a copy was taken, None when no copy is being worked on
        self._since_copy: list[Operation] | None = None
        self.operations = 0
        self.unflushed = 0
        self.changed_points = 0

    @staticmethod
    def create(path: Path, configuration: Configuration) -> "Shard":
        path.mkdir(parents=True)
        with engine_errors():
            engine = edge.EdgeShard.create(str(path), configuration.engine)
            engine.flush()
        sync_tree(path)
        return Shard(path, engine)

    @staticmethod
    def load(path: Path, configuration: Configuration) -> "Shard":
        with engine_errors():
            shard = Shard(path, edge.EdgeShard.load(str(path), configuration.engine))
        # what the log replayed is now in the segments, and the next start need not do it again
        shard.flush()
        info = shard.read(lambda engine: engine.info())
        shard.changed_points = info.points_count - info.indexed_vectors_count
        return shard

    def read(self, ask: Callable[[edge.EdgeShard], Answer]) -> Answer:
        with self._using:
            self._require_open()
            with engine_errors():
                return ask(self._engine)

    def write(self, operations: Sequence[Operation], changed_points: int) -> int:
        """Apply operations and return once they would survive a crash."""
        with self._writing:
            for operation in operations:
                self.read(partial(edge.EdgeShard.update, operation=operation))
                if self._since_copy is not None:
                    self._since_copy.append(operation)
            self.operations += len(operations)
            self.unflushed += len(operations)
            self.changed_points += changed_points
            number = self.operations
            ticket = self._commits.ticket()
        self._commits.wait(ticket)
        return number

    def flush(self) -> None:
        """Bring the segments up to the log, so that the log can be cut."""
        with self._writing:
            self._flush()

    def close(self) -> None:
        with self._writing:
            if self._closed:
                return
            self._flush()
            with self._using:
                self._closed = True
                with engine_errors():
                    self._engine.close()

    def reload(self, configuration: Configuration) -> None:
        """Take new settings; they reach existing data with the next optimization."""
        with self._writing:
            self._flush()
            with self._using:
                with engine_errors():
                    self._engine.close()
                try:
                    with engine_errors():
                        self._engine = edge.EdgeShard.load(str(self.path), configuration.engine)
                except ApiError:
                    # go on as before with the settings that are on the disk
                    self._engine = edge.EdgeShard.load(str(self.path))
                    raise

    def copy(self, target: Path, *, follow: bool) -> None:
        """Copy the data as of one moment; `follow` remembers the writes from then on."""
        with self._writing:
            self._flush()
            copy_tree(self.path, target)
            if follow:
                self._since_copy = []
                self.changed_points = 0

    def forget_copy(self) -> None:
        with self._writing:
            self._since_copy = None

    def replace(self, path: Path, configuration: Configuration, commit: Callable[[], None]) -> None:
        """Go on with the worked-on copy, after the writes that it has missed.

        `commit` makes the change durable; until it returns, the old data is the truth.
        """
        with engine_errors():
            engine = edge.EdgeShard.load(str(path), configuration.engine)
        with self._writing, engine_errors():
            self._require_open()
            for operation in self._since_copy or []:
                engine.update(operation)
            engine.flush()
            sync_tree(path)
            commit()
            with self._using:
                old, self._engine, self.path = self._engine, engine, path
                old.close()
            self._since_copy = None
            self._settled = set()
            self.unflushed = 0

    def _flush(self) -> None:
        self.read(lambda engine: engine.flush())
        self.unflushed = 0

    def _sync(self) -> None:
        """Sync the log, again where the engine renames or replaces files meanwhile."""
        while True:
            path, settled = self.path / "wal", self._settled
            try:
                sync_log(path, settled)
            except FileNotFoundError:
                self._require_open()
                continue
            if path == self.path / "wal":
                return

    def _require_open(self) -> None:
        if self._closed:
            message = "the collection was deleted or the server is stopping"
            raise not_found(message)
