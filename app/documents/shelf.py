"""Where files lie: originals by content, page texts by document and content, uploads in flight."""

import errno
import os
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

import orjson

from app.sharing.locks import SharedLock
from pipelines.convert import Page
from pipelines.reading.page import pages_from_json, pages_to_json

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def is_full(error: OSError) -> bool:
    """Whether the disk, the quota or the largest allowed file is the reason."""
    return error.errno in FULL


def _owner(upload: Path) -> str:
    return upload.name.partition(".")[0]


def _writer(pages: Path) -> str:
    """Return whose page texts in the making these are."""
    return pages.name.split(".")[1] if pages.suffix == ".part" else ""


def _sync_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class Shelf:
    """All paths below the data directory but the journal's."""

    def __init__(self, root: Path, owner: str = "") -> None:
        self._root = root
        self._owner = owner
        # Held from keeping an original to its entry in the journal, and while unneeded ones go;
        # by one thread of all processes.
        self.lock = SharedLock(root / "locks" / "shelf")
        self._originals = root / "originals"
        self._pages = root / "pages"
        self._uploads = root / "uploads"
        for directory in (self._originals, self._pages, self._uploads):
            directory.mkdir(parents=True, exist_ok=True)

    def free_bytes(self) -> int:
        return shutil.disk_usage(self._root).free

    def new_upload(self) -> Path:
        return self._uploads / f"{self._owner}.{uuid.uuid4().hex}.part"

    def original(self, sha256: str) -> Path:
        return self._originals / sha256[:2] / sha256

    def keep(self, upload: Path, sha256: str) -> None:
        """Move a finished upload to its place; the same content is kept once."""
        target = self.original(sha256)
        if target.exists():
            upload.unlink()
            return
        target.parent.mkdir(exist_ok=True)
        upload.replace(target)
        _sync_directory(target.parent)

    def write_pages(self, document_id: str, sha256: str, pages: list[Page]) -> None:
        target = self._page_file(document_id, sha256)
        target.parent.mkdir(exist_ok=True)
        partial = target.with_name(f"{sha256}.{self._owner}.part")
        try:
            with partial.open("wb") as file:
                file.write(orjson.dumps(pages_to_json(pages)))
                file.flush()
                os.fsync(file.fileno())
            partial.replace(target)
        except OSError:
            partial.unlink(missing_ok=True)
            raise
        _sync_directory(target.parent)

    def read_pages(self, document_id: str, sha256: str) -> list[Page]:
        content = orjson.loads(self._page_file(document_id, sha256).read_bytes())
        return pages_from_json(content)

    def share(
        self, root: Path, originals: set[tuple[str, str]], pages: set[tuple[str, str]]
    ) -> list[str]:
        """Link these documents' originals and page texts into another folder of the disk.

        Returns the names. Files here are never written again, only removed, so that the links keep
        them as they are.
        """
        wanted = {self.original(sha256) for _, sha256 in originals}
        wanted |= {self._page_file(document, sha256) for document, sha256 in pages}
        found = []
        for path in sorted(wanted):
            name = path.relative_to(self._root)
            if path.exists():  # a job that did not begin yet has no pages
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).hardlink_to(path)
                found.append(str(name))
        return found

    def adopt(self, root: Path) -> None:
        """Move files that another shelf shared to their places here."""
        for folder in (self._originals, self._pages):
            shared = root / folder.relative_to(self._root)
            for path in shared.glob("*/*"):
                target = folder / path.relative_to(shared)
                target.parent.mkdir(exist_ok=True)
                path.replace(target)
                _sync_directory(target.parent)

    def sweep(
        self, needed: Callable[[], set[tuple[str, str]]], is_alive: Callable[[str], bool]
    ) -> int:
        """Remove what neither the journal nor a living process needs; return how many files.

        For a time when no job runs in this process.
        """
        with self.lock:
            wanted = needed()
            originals = {sha256 for _, sha256 in wanted}
            pages = {self._page_file(document, sha256) for document, sha256 in wanted}
            unneeded = [
                *(path for path in self._uploads.iterdir() if not is_alive(_owner(path))),
                *(path for path in self._originals.glob("*/*") if path.name not in originals),
                *(
                    path
                    for path in self._pages.glob("*/*")
                    if path not in pages and not is_alive(_writer(path))
                ),
            ]
            for path in unneeded:
                path.unlink()
        return len(unneeded)

    def release(
        self, document_id: str, sha256s: set[str], needed: Callable[[], set[tuple[str, str]]]
    ) -> None:
        """Remove what a document no longer needs: its page texts, and these originals."""
        with self.lock:
            wanted = needed()
            directory = self._pages / document_id
            for path in directory.glob("*"):
                if (document_id, path.name.partition(".")[0]) not in wanted:
                    path.unlink(missing_ok=True)
            for sha256 in sha256s - {content for _, content in wanted}:
                self.original(sha256).unlink(missing_ok=True)
        if directory.is_dir() and not any(directory.iterdir()):
            directory.rmdir()

    def _page_file(self, document_id: str, sha256: str) -> Path:
        return self._pages / document_id / f"{sha256}.json"
