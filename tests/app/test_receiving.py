"""Multipart bodies, however they are cut into chunks."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.documents.receiving import Reception
from app.documents.shelf import Shelf
from app.problems import Problem

KIND = "multipart/form-data; boundary=edge"
CONTENT = b"line one\r\n--edg not the edge\r\n\x00\xff"
BODY = (
    b'--edge\r\nContent-Disposition: form-data; name="collection"\r\n\r\nbooks\r\n'
    b'--edge\r\nContent-Disposition: form-data; name="file"; filename="na\xc3\xafve.txt"\r\n'
    b"Content-Type: text/plain\r\n\r\n" + CONTENT + b"\r\n--edge--\r\n"
)


async def chunks(body: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


def receive(tmp_path: Path, body: bytes, size: int = 7, kind: str = KIND) -> Reception:
    reception = Reception(Shelf(tmp_path), kind)
    asyncio.run(reception.read(chunks(body, size)))
    return reception


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 10_000])
def test_a_file_arrives_whole_however_it_is_cut(tmp_path: Path, size: int) -> None:
    reception = receive(tmp_path, BODY, size)

    (received,) = reception.files
    assert received.name == "na\u00efve.txt"
    assert received.path.read_bytes() == CONTENT
    assert (received.size, received.sha256) == (len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
    assert reception.fields == {"collection": "books"}


@pytest.mark.parametrize("cut", range(1, len(BODY) - 4, 9))
def test_a_body_that_ends_early_is_refused_and_leaves_nothing(tmp_path: Path, cut: int) -> None:
    with pytest.raises(Problem) as caught:
        receive(tmp_path, BODY[:cut])

    assert caught.value.name == "malformed-body"
    assert list((tmp_path / "uploads").iterdir()) == []


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (BODY.replace(b'name="file"', b'name="document"'), "invalid-request"),
        (BODY.replace(b".txt", b".exe"), "unsupported-type"),
        (BODY.replace(CONTENT, b""), "empty-file"),
        (BODY.replace(b"books", b"b" * 2000), "invalid-request"),
        (BODY.replace(b"; filename=", b"; notname="), "invalid-request"),
        (b"no multipart at all, only text that goes on and on", "malformed-body"),
    ],
)
def test_a_body_that_is_wrong_leaves_nothing(tmp_path: Path, body: bytes, name: str) -> None:
    with pytest.raises(Problem) as caught:
        receive(tmp_path, body)

    assert caught.value.name == name
    assert list((tmp_path / "uploads").iterdir()) == []


@pytest.mark.parametrize("kind", ["", "text/plain", "multipart/form-data", "application/json"])
def test_another_kind_of_body_is_refused(tmp_path: Path, kind: str) -> None:
    with pytest.raises(Problem) as caught:
        receive(tmp_path, BODY, kind=kind)

    assert caught.value.status_code == 400
