"""Who may read which document, as the journal keeps it and memory has it."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.access.identity import Identity
from app.documents.holdings import chunk_readers
from app.documents.journal import Journal
from app.documents.records import Job

ALICE = Identity(subject="alice", role="contributor", via="key", credential="1")
BOB = Identity(subject="bob", role="reader", groups=frozenset({"hr"}), via="key", credential="2")
ADMIN = Identity(subject="root", role="admin", via="key", credential="3")
A, B = "a" * 64, "b" * 64

# As it was before documents had owners and readers.
OLD = """
create table documents (
    id text primary key, collection text not null, name text not null, sha256 text,
    size integer not null default 0, chunks integer not null default 0,
    pages integer not null default 0, deleting integer not null default 0,
    created text not null, updated text not null
) strict;
create table jobs (
    seq integer primary key autoincrement, id text not null unique, kind text not null,
    document_id text not null, collection text not null, name text not null,
    sha256 text not null, size integer not null, status text not null, stage text,
    progress real not null default 0, attempts integer not null default 0, chunks integer,
    pages integer, reason text, not_before real not null default 0,
    created text not null, updated text not null
) strict;
insert into documents values ('d', 'documents', 'n.txt', 'x', 1, 1, 1, 0, 't', 't');
insert into jobs (id, kind, document_id, collection, name, sha256, size, status, created, updated)
    values ('j', 'index', 'd', 'documents', 'n.txt', 'x', 1, 'done', 't', 't');
"""


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "journal.sqlite3")
    yield journal
    journal.close()


def indexed(journal: Journal, job: Job) -> str:
    journal.finish_index(job, chunks=1, pages=1)
    return job.document_id


def test_a_document_of_one_is_not_there_for_another(journal: Journal) -> None:
    job = journal.accept("c", "n.txt", A, 1, owner="alice", space="alice", readers=[])
    document = indexed(journal, job)

    for who, sees in ((ALICE, True), (ADMIN, True), (BOB, False)):
        assert journal.holdings.reads(who, document) is sees
        assert journal.holdings.cites(who, document) is sees
        assert bool(journal.documents(None, limit=9, offset=0, identity=who)) is sees
        assert journal.count("c", who) == int(sees)
        assert journal.collections(who) == (["c"] if sees else [])
        assert journal.holds("c", who) is sees
    assert journal.holdings.manages(ALICE, document)
    assert not journal.holdings.manages(BOB, document)


def test_one_space_knows_nothing_of_another(journal: Journal) -> None:
    first = journal.accept("c", "n.txt", A, 1, owner="alice", space="alice")
    indexed(journal, first)

    same_name = journal.accept("c", "n.txt", B, 1, owner="bob", space="bob")
    same_bytes = journal.accept("c", "other.txt", A, 1, owner="bob", space="bob")
    again = journal.accept("c", "n.txt", A, 1, owner="alice", space="alice")

    assert len({first.document_id, same_name.document_id, same_bytes.document_id}) == 3
    assert (same_bytes.name, same_bytes.status) == ("other.txt", "queued")
    assert (again.document_id, again.status) == (first.document_id, "done")


def test_a_change_of_readers_is_known_at_once_and_the_chunks_are_behind(journal: Journal) -> None:
    document = indexed(journal, journal.accept("c", "n.txt", A, 1, owner="alice", space="alice"))
    journal.readers_written(document, '["everyone"]')
    assert journal.unwritten() == []

    journal.set_readers(document, ["group:hr", "user:cy", "group:hr"])

    (waiting,) = journal.unwritten()
    assert waiting.readers == '["group:hr", "user:cy"]'
    assert chunk_readers(waiting.owner, waiting.readers) == ["group:hr", "user:alice", "user:cy"]
    assert journal.holdings.cites(BOB, document)
    journal.set_readers(document, [])
    assert not journal.holdings.cites(BOB, document)


def test_what_was_deleted_is_cited_again_only_when_its_new_version_answers(
    journal: Journal,
) -> None:
    document = indexed(journal, journal.accept("c", "n.txt", A, 1))
    assert journal.holdings.cites(BOB, document)

    journal.request_deletion(document)
    assert not journal.holdings.reads(BOB, document)
    # Its old chunks may still lie in the store while the new version waits.
    job = journal.accept("c", "n.txt", B, 1)
    assert job.document_id == document
    assert journal.holdings.reads(BOB, document)
    assert not journal.holdings.cites(BOB, document)

    indexed(journal, job)
    assert journal.holdings.cites(BOB, document)


def test_a_failed_change_leaves_memory_as_it_was(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = indexed(journal, journal.accept("c", "n.txt", A, 1))
    monkeypatch.setattr(journal, "document", lambda _identity: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        journal.set_readers(document, [])

    assert journal.holdings.cites(BOB, document)


def test_a_journal_from_before_keeps_its_documents_for_everyone(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    with sqlite3.connect(path) as old:
        old.executescript(OLD)
    old.close()

    journal = Journal(path)

    assert journal.holdings.cites(BOB, "d")
    assert [each.id for each in journal.unwritten()] == ["d"]
    journal.close()


def test_memory_is_filled_at_a_start(tmp_path: Path) -> None:
    first = Journal(tmp_path / "journal.sqlite3")
    document = indexed(first, first.accept("c", "n.txt", A, 1, readers=["group:hr"]))
    first.close()

    second = Journal(tmp_path / "journal.sqlite3")

    assert second.holdings.cites(BOB, document)
    assert not second.holdings.cites(ALICE, document)
    second.close()


def test_an_erased_document_leaves_no_job_behind_it(journal: Journal) -> None:
    document = indexed(journal, journal.accept("c", "CANARY.txt", A, 1, owner="leaver"))
    other = indexed(journal, journal.accept("c", "kept.txt", B, 1))
    job = journal.request_deletion(document, erase=True)
    assert job is not None
    running = journal.take("delete")
    assert running is not None
    journal.finish_delete(running)

    journal.erase_histories()

    assert [each.id for each in journal.documents(None, limit=9, offset=0)] == [other]
    closed = journal.job(job.id)
    assert closed is not None
    assert (closed.name, closed.owner, closed.status) == ("", "", "done")
    assert journal.jobs_by_status() == {"done": 2}  # of the other, and the deletion


def test_a_quarantined_document_is_read_and_listed_but_never_cited(journal: Journal) -> None:
    job = journal.accept("documents", "a.txt", A, 1)
    found = '[{"kind": "instruction", "page": 1, "excerpt": "x"}]'
    journal.finish_index(job, chunks=1, pages=1, warnings=found, quarantined=True)

    held = [journal.holdings.cites(each, job.document_id) for each in (BOB, ADMIN)]
    released = journal.quarantine(job.document_id, held=False)

    assert held == [False, False]
    assert journal.holdings.reads(BOB, job.document_id)
    assert journal.holdings.cites(BOB, job.document_id)
    assert released is not None
    assert released.public()["quarantined"] is False
    assert released.public()["warnings"] == [{"kind": "instruction", "page": 1, "excerpt": "x"}]
    assert journal.quarantine("f" * 32, held=True) is None
    # the same bytes again are the same document, with what is known of it
    again = journal.accept("documents", "a.txt", A, 1)
    assert again.public()["warnings"] == released.public()["warnings"]


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Journal, Journal]]:
    """Two processes as far as SQLite can tell: a journal each, of one file."""
    both = Journal(tmp_path / "shared.sqlite3"), Journal(tmp_path / "shared.sqlite3")
    yield both
    for journal in both:
        journal.close()


def settled(journal: Journal) -> Journal:
    """Return it as it is a millisecond later."""
    journal.holdings.look_again()
    return journal


def test_another_process_has_the_word_at_once(pair: tuple[Journal, Journal]) -> None:
    here, there = pair
    document = indexed(there, there.accept("c", "n.txt", A, 1, readers=["everyone"]))
    assert settled(here).holdings.cites(BOB, document)

    there.set_readers(document, [])
    assert not settled(here).holdings.cites(BOB, document)
    there.set_readers(document, ["everyone"])
    assert settled(here).holdings.cites(BOB, document)
    job = there.request_deletion(document)
    assert job is not None
    there.finish_delete(job)
    assert not settled(here).holdings.reads(ADMIN, document)


def test_who_missed_more_changes_than_are_kept_reads_everything(
    pair: tuple[Journal, Journal], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = pair
    document = indexed(there, there.accept("c", "n.txt", A, 1, readers=["everyone"]))
    assert settled(here).holdings.cites(BOB, document)
    monkeypatch.setattr("app.documents.queue.KEPT_CHANGES", 1)

    there.set_readers(document, [])
    there.accept("c", "other.txt", B, 1)
    there.forget_old_jobs()

    assert not settled(here).holdings.cites(BOB, document)


def test_a_restore_by_another_process_is_known_and_so_are_other_vectors(
    pair: tuple[Journal, Journal], tmp_path: Path
) -> None:
    here, there = pair
    other = Journal(tmp_path / "other.sqlite3")
    document = indexed(other, other.accept("c", "n.txt", A, 1, readers=["everyone"]))
    other.copy_to(tmp_path / "copy.sqlite3")
    other.close()
    gone = indexed(there, there.accept("c", "gone.txt", B, 1, readers=["everyone"]))
    assert settled(here).holdings.cites(BOB, gone)
    vectors = here.holdings.vectors

    there.vectors_changed()
    assert settled(here).holdings.vectors > vectors
    there.take_over(tmp_path / "copy.sqlite3")

    for journal in pair:
        assert settled(journal).holdings.cites(BOB, document)
        assert not journal.holdings.reads(ADMIN, gone)
