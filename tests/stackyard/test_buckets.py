"""`stackyard ingest s3://...` over HTTP, with the client of AWS."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.backup.sealing import Key, sealed
from tests.stackyard.conftest import Invoke
from tests.stackyard.fake_s3 import FakeS3
from tests.stackyard.fake_service import FakeService

OBJECTS = {
    "books/": b"",
    "books/a.txt": b"One.",
    "books/deep/a.txt": b"Another one.",
    "books/deep/b & c.md": b"Two.",
    "books/photo.png": b"x",
    "books/.hidden/d.txt": b"No.",
    "bookshop/e.txt": b"No.",
}


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeS3]:
    with FakeS3("library", OBJECTS) as fake:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", fake.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        yield fake


def test_everything_below_a_prefix_is_sent_page_by_page(
    s3: FakeS3, service: FakeService, key_file: Path, invoke: Invoke
) -> None:
    done = invoke(
        *("ingest", "s3://library/books", "--json"),
        *("--url", service.url, "--key-file", key_file),
    )

    found = {row["name"]: (row["status"], row["reason"]) for row in json.loads(done.stdout)}
    assert found == {
        "a.txt": ("done", ""),
        "b & c.md": ("done", ""),
        "s3://library/books/deep/a.txt": (
            "refused",
            "would replace s3://library/books/a.txt, which has the same name",
        ),
    }
    assert "left out 1 file(s) of other types: .png" in done.stderr
    assert sorted(service.pages.values()) == [["One."], ["Two."]]
    assert all(s3.signed)


def test_an_object_that_cannot_be_fetched_stops_no_other(
    s3: FakeS3, service: FakeService, key_file: Path, invoke: Invoke
) -> None:
    s3.broken = {"books/a.txt"}
    del s3.objects["books/deep/a.txt"]

    done = invoke(
        *("ingest", "s3://library/books/", "--json"),
        *("--url", service.url, "--key-file", key_file),
    )

    assert done.exit_code == 1
    found = {row["name"]: row["reason"] for row in json.loads(done.stdout)}
    assert found == {"a.txt": "it cannot be fetched: AccessDenied no", "b & c.md": ""}


def test_a_backup_in_a_bucket_is_fetched_checked_and_restored(
    s3: FakeS3, service: FakeService, key_file: Path, invoke: Invoke
) -> None:
    where = ("--url", service.url, "--key-file", key_file)
    names = [f"prod/stackyard-2026010{day}T030000Z.tar.sealed" for day in (1, 2, 3)]
    whole = b"".join(sealed(iter([b"x" * 999]), 999, Key(bytes(32))))
    s3.objects |= {names[0]: whole, names[1]: whole[:-40], names[2]: whole}

    done = invoke("restore", f"s3://library/{names[0]}", *where)
    damaged = invoke("restore", f"s3://library/{names[1]}", *where)
    none = invoke("restore", "s3://library/nothing", *where)
    s3.broken = {names[2]}
    closed = invoke("restore", f"s3://library/{names[2]}", *where)

    assert service.restored == whole
    assert "5 document(s) and 60 chunks" in done.stderr
    assert "is damaged at its end" in damaged.stderr
    assert "s3://library/nothing has no whole backup" in none.stderr
    assert "hint: name a file, or what the schedule writes into" in none.stderr
    assert "it cannot be fetched: AccessDenied no" in closed.stderr


def test_a_prefix_of_a_bucket_goes_back_to_a_moment(
    s3: FakeS3, service: FakeService, key_file: Path, invoke: Invoke
) -> None:
    where = ("--url", service.url, "--key-file", key_file)
    parts = [b"".join(sealed(iter([each]), 1, Key(bytes(32)))) for each in (b"w", b"1", b"2")]
    names = ("T030000000Z-00000000", "T030030000Z-00000001.more", "T030100000Z-00000002.more")
    for name, part in zip(names, parts, strict=True):
        s3.objects[f"prod/stackyard-20260101{name}.tar.sealed"] = part
    s3.objects["prod/deep/stackyard-20260109T030000Z.tar.sealed"] = b"of another stack"

    done = invoke("restore", "s3://library/prod/", "--at", "2026-01-01T03:00:59Z", *where)
    alone = invoke("restore", f"s3://library/prod/stackyard-20260101{names[1]}.tar.sealed", *where)

    assert service.restored == b"".join(len(each).to_bytes(8, "big") + each for each in parts[:2])
    assert service.restored_as == "application/vnd.stackyard.backups"
    assert "and 1 that go on from it: all as it was at 2026-01-01T03:00:30Z" in done.stderr
    assert "has only what changed since the backup before it" in alone.stderr
    assert "hint: stackyard restore s3://library/prod --at 2026-01-01T03:00:31Z" in alone.stderr


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("s3://nothing", "s3://nothing cannot be listed: NoSuchBucket none"),
        ("s3:///x", "names no bucket"),
        ("s3://library/papers", "no document in s3://library/papers"),
    ],
)
def test_an_address_that_gives_nothing_is_told(
    s3: FakeS3, invoke: Invoke, address: str, said: str
) -> None:
    done = invoke("ingest", address)

    assert done.exit_code == 1
    assert said in done.stderr
    assert "hint: " in done.stderr
