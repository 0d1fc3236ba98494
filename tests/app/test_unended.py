"""A file during whose reading the process ended: tried again alone, then refused."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.documents.journal import Journal
from app.documents.records import Job
from app.documents.shelf import Shelf
from app.documents.work import FURTHER_TRIES, Work
from pipelines.convert import Limits
from tests.app.test_work import Index

TEXT = b"The pump is green."


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "journal.sqlite3")
    yield journal
    journal.close()


@pytest.fixture
def work(journal: Journal, tmp_path: Path) -> Iterator[Work]:
    shelf = Shelf(tmp_path)
    upload = shelf.new_upload()
    upload.write_bytes(TEXT)
    shelf.keep(upload, hashlib.sha256(TEXT).hexdigest())
    work = Work(journal, shelf, Index(), limits=Limits())
    yield work
    work.close()


def taken(journal: Journal) -> Job:
    job = journal.take("index", "here")
    assert job is not None
    return job


def die_reading(journal: Journal) -> None:
    """Take the oldest job, begin to read its file, and be killed."""
    journal.begin_reading(taken(journal))
    journal.resume()


def accepted(journal: Journal) -> Job:
    return journal.accept("docs", "a.txt", hashlib.sha256(TEXT).hexdigest(), len(TEXT))


def test_a_file_that_ends_the_process_is_refused_after_two_further_tries(
    journal: Journal, work: Work
) -> None:
    job = accepted(journal)
    for _ in range(1 + FURTHER_TRIES):
        die_reading(journal)

    work.do(taken(journal))

    ended = journal.job(job.id)
    assert ended is not None
    assert (ended.status, ended.attempts) == ("refused", 4)
    assert str(ended.reason).startswith("what read this file was killed 3 times")


def test_before_that_it_is_read_as_ever(journal: Journal, work: Work) -> None:
    job = accepted(journal)
    for _ in range(FURTHER_TRIES):
        die_reading(journal)

    work.do(taken(journal))

    ended = journal.job(job.id)
    assert ended is not None
    assert (ended.status, ended.unended, ended.pages) == ("done", FURTHER_TRIES, 1)
    assert "unended" not in ended.public()


def test_who_was_told_to_end_says_nothing_of_the_file(journal: Journal) -> None:
    job = accepted(journal)
    for _ in range(5):
        journal.begin_reading(taken(journal))
        journal.excuse("here")
        journal.resume()

    again = journal.job(job.id)
    assert again is not None
    assert again.unended == 0
