"""Multipart uploads straight to disk: nothing of a file is held in memory."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from io import BufferedWriter
from pathlib import Path

from python_multipart import MultipartParser
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import parse_options_header
from starlette.requests import ClientDisconnect

from app.documents.names import check_type, clean_name
from app.documents.shelf import Shelf, is_full
from app.problems import Problem, disk_full, invalid

MOST_FILES = 100
LONGEST_FIELD = 1024


@dataclass(frozen=True)
class Received:
    """A finished upload, not yet kept."""

    path: Path
    name: str
    sha256: str
    size: int


@dataclass
class _Part:
    """The part that is being read: a file when it has a path, a field otherwise."""

    field_name: str
    file_name: str | None = None
    path: Path | None = None
    file: BufferedWriter | None = None
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    size: int = 0
    value: bytes = b""


def _malformed(detail: str) -> Problem:
    return Problem(400, "malformed-body", "The body is not multipart form data", detail)


class Reception:
    """Read one multipart body; the parts' callbacks run while `feed` does, in a thread."""

    def __init__(self, shelf: Shelf, content_type: str) -> None:
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if kind != b"multipart/form-data" or not boundary:
            msg = "Send multipart/form-data with one or more `file` parts"
            raise _malformed(msg)
        self._shelf = shelf
        self._part: _Part | None = None
        self._header = (bytearray(), bytearray())
        self._headers: dict[bytes, bytes] = {}
        self._ended = False
        self.files: list[Received] = []
        self.fields: dict[str, str] = {}
        self._header = (bytearray(), bytearray())
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._on_part_begin,
                    "on_header_field": self._on_header_field,
                    "on_header_value": self._on_header_value,
                    "on_header_end": self._on_header_end,
                    "on_headers_finished": self._on_headers_finished,
                    "on_part_data": self._on_part_data,
                    "on_part_end": self._on_part_end,
                    "on_end": self._on_end,
                },
            )
        except ValueError:
            msg = "The boundary cannot be used"
            raise _malformed(msg) from None

    async def read(self, stream: AsyncIterator[bytes]) -> None:
        """Read the whole body, or raise a Problem and leave nothing behind."""
        try:
            async for chunk in stream:
                if chunk:
                    await asyncio.to_thread(self._feed, chunk)
            if not self._ended:
                msg = "The body ends before its last boundary"
                raise _malformed(msg)
            if not self.files:
                msg = "There is no part named `file` with a file name"
                raise invalid(msg)
        except ClientDisconnect:
            self.discard()
            msg = "The caller hung up before its end"
            raise _malformed(msg) from None
        except BaseException:
            self.discard()
            raise

    def discard(self) -> None:
        """Remove what was received."""
        if self._part is not None and self._part.file is not None:
            self._part.file.close()
        paths = [received.path for received in self.files]
        if self._part is not None and self._part.path is not None:
            paths.append(self._part.path)
        for path in paths:
            path.unlink(missing_ok=True)

    def _feed(self, chunk: bytes) -> None:
        try:
            self._parser.write(chunk)
        except MultipartParseError:
            msg = "The parts cannot be told apart"
            raise _malformed(msg) from None
        except OSError as error:
            if is_full(error):
                raise disk_full() from error
            raise

    def _on_part_begin(self) -> None:
        self._headers = {}
        self._part = None

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header[0].extend(data[start:end])

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1].extend(data[start:end])

    def _on_header_end(self) -> None:
        name, value = self._header
        self._headers[bytes(name).lower()] = bytes(value)
        self._header = (bytearray(), bytearray())

    def _on_headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        self._part = _Part(options.get(b"name", b"").decode(errors="replace"))
        raw = options.get(b"filename")
        if raw is None:
            return
        if self._part.field_name != "file":
            msg = f"The part {self._part.field_name[:50]!r} is a file; send it as `file`"
            raise invalid(msg)
        if len(self.files) >= MOST_FILES:
            msg = f"At most {MOST_FILES} files are accepted at once"
            raise invalid(msg)
        name = clean_name(raw.decode(errors="replace"))
        check_type(name)
        self._part.file_name = name
        self._part.path = self._shelf.new_upload()
        self._part.file = self._part.path.open("wb")

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        part, piece = self._part, data[start:end]
        if part is None:
            return
        if part.file is None:
            part.value += piece
            if len(part.value) > LONGEST_FIELD:
                msg = f"The field {part.field_name[:50]!r} is too long"
                raise invalid(msg)
            return
        part.file.write(piece)
        part.digest.update(piece)
        part.size += len(piece)

    def _on_part_end(self) -> None:
        part = self._part
        if part is None:
            return
        if part.file is None or part.path is None or part.file_name is None:
            self.fields[part.field_name] = part.value.decode(errors="replace")
            return
        if part.size == 0:
            raise Problem(
                422, "empty-file", "The file is empty", f"{part.file_name!r} holds no byte"
            )
        part.file.flush()
        os.fsync(part.file.fileno())
        part.file.close()
        self.files.append(Received(part.path, part.file_name, part.digest.hexdigest(), part.size))
        self._part = None

    def _on_end(self) -> None:
        self._ended = True
