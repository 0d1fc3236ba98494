"""Files that survive a crash: synced, replaced in one step, copied without their holes."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

BLOCK = 1 << 20
HOLE = bytes(4096)
REMOVALS = 5


def sync_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def engine_files(root: Path) -> list[Path]:
    """List what is below a shard's directory, parents first.

    A thread of the engine prepares its next log segment as `tmp-open-N` and renames it at any
    time. Nothing is in it yet, and the engine makes a new one where it is missing.
    """
    return [path for path in sorted(root.rglob("*")) if not path.name.startswith("tmp-")]


def sync_tree(root: Path) -> None:
    """Put a directory, its files and its own entry on the disk."""
    for path in [root, *engine_files(root)]:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    sync_directory(root.parent)


def replace_file(path: Path, content: bytes) -> None:
    """Write a file so that a reader or a crash sees the old content or the new, never a part."""
    draft = path.with_name(f"{path.name}.draft")
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync_directory(path.parent)


def write_sparse(blocks: Iterator[bytes], target: BinaryIO) -> None:
    """Write blocks, leaving pages of zeros as holes: the engine preallocates 32 MiB files."""
    size = 0
    for block in blocks:
        size += len(block)
        for start in range(0, len(block), len(HOLE)):
            page = block[start : start + len(HOLE)]
            if page == HOLE[: len(page)]:
                target.seek(len(page), os.SEEK_CUR)
            else:
                target.write(page)
    target.truncate(size)


def data_ranges(source: BinaryIO, size: int) -> Iterator[tuple[int, int]]:
    """Yield where a file holds data, by start and end."""
    end = 0
    while end < size:
        try:
            start = os.lseek(source.fileno(), end, os.SEEK_DATA)
        except OSError:  # ENXIO: nothing but a hole up to the end
            return
        end = os.lseek(source.fileno(), start, os.SEEK_HOLE)
        yield start, end


def copy_sparse(source: Path, target: Path) -> None:
    with source.open("rb") as old, target.open("wb") as new:
        size = os.fstat(old.fileno()).st_size
        for start, end in data_ranges(old, size):
            old.seek(start)
            new.seek(start)
            while start < end:
                block = old.read(min(BLOCK, end - start))
                if not block:
                    break
                new.write(block)
                start += len(block)
        new.truncate(size)


def copy_tree(source: Path, target: Path) -> None:
    """Copy a directory of the engine's files; nobody may write to it meanwhile."""
    target.mkdir(parents=True)
    for path in engine_files(source):
        copy = target / path.relative_to(source)
        if path.is_dir():
            copy.mkdir()
        else:
            copy_sparse(path, copy)


def used_bytes(root: Path) -> int:
    return sum(path.lstat().st_blocks * 512 for path in engine_files(root))


def remove_tree(root: Path) -> None:
    """Remove a directory, again where the engine has put a file into it meanwhile."""
    for attempt in range(REMOVALS):
        if not root.exists():
            return
        try:
            shutil.rmtree(root)
        except OSError:
            if attempt == REMOVALS - 1:
                raise
