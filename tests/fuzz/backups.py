"""Parsers of backups: sealed or not, as the service takes them and as the operator's command does.

Whoever restores has an administrator's key and a file from elsewhere, which may say anything.
"""

import asyncio
import base64
import hashlib
import os
import random
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import asdict, replace
from io import BytesIO
from itertools import accumulate
from pathlib import Path
from unittest import mock

import orjson

from app.access.key_store import KeyStore
from app.backup import sealing
from app.backup.archive import BLOCK, FORMAT, MANIFEST, BadArchive, Manifest, member, written
from app.backup.chain import JOURNAL, KEYS, unpacked
from app.backup.points import PointLines
from app.backup.receiving import problem_of
from app.backup.sealing import Key, Opener, WrongKey, keys_in, sealed, whole
from app.documents.journal import Journal
from app.documents.opening import WrongFormat
from pipelines.errors import StageError
from pipelines.settings import StoreSettings
from pipelines.transport.client import Client
from stackyard.archives import checked
from stackyard.errors import Trouble
from tests.fuzz.mutation import mutated
from tests.fuzz.parser import Parser, from_bytes, from_json

OURS, OTHERS = Key(b"k" * 32), Key(b"o" * 32)
PIECE = 64  # of what is sealed, so that a short file has many
PLAIN = (b"Pumps need oil. " * 20, b"Valves close.", b"")
POINT = {
    "id": "0b7e",
    "vector": {"dense": [0.5, -1e-3]},
    "payload": {"meta": {"document_id": "c" * 32}},
}
LAST = b'{"result": {"points": [], "next_page_offset": null}}'
FILES = {
    "points/documents.jsonl": orjson.dumps(POINT) + b"\n",
    f"originals/ab/{'ab' * 32}": b"Pumps need oil.",
    f"pages/{'c' * 32}/{'ab' * 32}.json": b"[]",
}
WORDS = (
    "format", "members", "points", "documents", "name", "size", "sha256", "model", "dimension",
    "created", JOURNAL, KEYS, MANIFEST, *FILES, "points/../../a.jsonl", "../" + JOURNAL,
    "/dev/zero", "result", "next_page_offset", *POINT,
)  # fmt: skip


def backup_parsers(folder: Path) -> list[Parser]:
    """Return the parsers behind `restore`; what they unpack lies in the folder."""
    source = folder / "backup-source"
    manifest = _source(source)
    archive = b"".join(written(source, manifest))
    files = _sealed_files()
    target, file = folder / "backup-target", folder / "backup-file"

    def taken(data: bytes) -> Manifest:
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        (target / "backup.tar").write_bytes(data)
        try:
            found = unpacked(target)
        except (BadArchive, WrongFormat) as error:
            problem_of(error).response()
            raise
        assert all((target / each.name).is_file() for each in found.members)
        return found

    def looked_at(data: bytes) -> object:
        file.write_bytes(data)
        try:
            return checked(file).as_json(), str(checked(file))
        except Trouble as trouble:
            str(trouble).encode()
            raise

    archives = _archives(source, manifest, archive)
    return [
        Parser("backup", archives, taken, (BadArchive, WrongFormat)),
        Parser("backup-file", lambda chance: (
            mutated(chance, files) if chance.random() < 0.2 else archives(chance)
        ), looked_at, (Trouble,)),
        Parser("backup-sealed", from_bytes(files), _opened, (WrongKey, BadArchive)),
        Parser("backup-hash", from_bytes(files), lambda data: whole(BytesIO(data)), (BadArchive,)),
        Parser("backup-keys", from_bytes([_key_file(OURS, OTHERS), _key_file(OURS)]),
               lambda data: keys_in(data.decode("utf-8", "surrogateescape")), (ValueError,)),
        Parser("backup-points", from_bytes([FILES["points/documents.jsonl"] * 3]),
               lambda data: asyncio.run(_loaded(file, data)), (BadArchive,)),
        Parser("backup-scroll",
               from_json(WORDS, {"result": {"points": [POINT, POINT], "next_page_offset": None}}),
               lambda data: asyncio.run(_saved(file, data)), (StageError,)),
    ]  # fmt: skip


def _source(root: Path) -> Manifest:
    """Lay down what a backup is made of: a real journal, real keys."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    Journal(root / JOURNAL).close()
    KeyStore(root / KEYS).close()
    for name, content in FILES.items():
        (root / name).parent.mkdir(parents=True)
        (root / name).write_bytes(content)
    members = tuple(member(root, name) for name in (JOURNAL, KEYS, *FILES))
    return Manifest("2026-11-27T03:00:00+00:00", 384, "m", 1, {"documents": 1}, members)


def _archives(source: Path, manifest: Manifest, archive: bytes) -> Callable[[random.Random], bytes]:
    """Return what makes archives: hashes and checksums are made right, for they hide the rest."""
    contents = {each.name: (source / each.name).read_bytes() for each in manifest.members}
    texts = from_json(WORDS, {"format": FORMAT, **asdict(manifest)})
    heads = _heads(len(manifest.to_json()), *(each.size for each in manifest.members))

    def made(chance: random.Random) -> bytes:
        kind = chance.randrange(4)
        if kind == 0:
            return mutated(chance, [archive])
        if kind == 1:
            return _tar({MANIFEST: texts(chance), **contents})
        if kind == 2:
            name = chance.choice(sorted(contents))
            changed = {**contents, name: mutated(chance, [contents[name]])}
            return _tar({MANIFEST: _listing(manifest, changed), **changed})
        head = chance.choice(heads)
        block = mutated(chance, [archive[head : head + BLOCK]])[:BLOCK].ljust(BLOCK, b"\0")
        total = sum(block[:148]) + 8 * ord(" ") + sum(block[156:])
        block = block[:148] + b"%06o\0 " % total + block[156:]
        return archive[:head] + block + archive[head + BLOCK :]

    return made


def _heads(*sizes: int) -> list[int]:
    """Return where the heads of a tar's members are."""
    lengths = (BLOCK + size + -size % BLOCK for size in sizes[:-1])
    return list(accumulate(lengths, initial=0))


def _listing(manifest: Manifest, contents: dict[str, bytes]) -> bytes:
    """Return the manifest that fits."""
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
    members = (
        replace(each, size=len(contents[each.name]), sha256=hashes[each.name])
        for each in manifest.members
    )
    return replace(manifest, members=tuple(members)).to_json()


def _tar(contents: dict[str, bytes]) -> bytes:
    out = BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in contents.items():
            head = tarfile.TarInfo(name)
            head.size = len(data)
            tar.addfile(head, BytesIO(data))
    return out.getvalue()


def _sealed_files() -> list[bytes]:
    """Return sealed files that are the same on every day."""
    with (
        mock.patch.object(os, "urandom", lambda size: b"s" * size),
        mock.patch.object(sealing, "PIECE", PIECE),
    ):
        return [
            b"".join(sealed(iter([text]), len(text), key))
            for key, text in ((OURS, PLAIN[0]), (OURS, PLAIN[1]), (OURS, PLAIN[2]), (OTHERS, b"x"))
        ]


def _opened(data: bytes) -> bytes:
    """Open it bit by bit; what opens is what was sealed, and all of it."""
    with mock.patch.object(sealing, "PIECE", PIECE):
        opener = Opener([OURS])
        out = b"".join(opener.feed(data[at : at + 61]) for at in range(0, len(data), 61))
        opener.finish()
    assert out in PLAIN or out == data, "something else than was sealed"
    return out


def _key_file(*keys: Key) -> bytes:
    return b"\n".join(base64.b64encode(each.secret) for each in keys)


async def _loaded(file: Path, data: bytes) -> int:
    file.write_bytes(data)
    with mock.patch.object(Client, "post", mock.AsyncMock(return_value=b"{}")):
        return await _lines().load(file)


async def _saved(file: Path, data: bytes) -> int:
    with mock.patch.object(Client, "post", mock.AsyncMock(side_effect=(data, LAST))):
        return await _lines().save(file)


def _lines() -> PointLines:
    return PointLines(StoreSettings(url="http://store", dimension=384), "documents")
