"""The journal: one document per name, one per content, nothing forgotten."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.documents.journal import Journal, document_id
from app.documents.opening import WrongFormat
from app.documents.records import Job
from app.documents.schema import FORMAT


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(tmp_path / "journal.sqlite3")
    yield opened
    opened.close()


def run(journal: Journal) -> Job:
    job = journal.take("delete") or journal.take("index")
    assert job is not None
    if job.kind == "delete":
        journal.finish_delete(job)
    else:
        journal.finish_index(job, chunks=3, pages=2)
    return job


def test_an_indexed_upload_is_listed_with_its_figures(journal: Journal) -> None:
    accepted = journal.accept("docs", "a.txt", "aa", 10)

    run(journal)

    (document,) = journal.documents(None, limit=10, offset=0)
    assert document.id == accepted.document_id == document_id("docs", "a.txt")
    assert (document.status, document.chunks, document.pages) == ("done", 3, 2)


def test_the_same_name_again_replaces_the_document(journal: Journal) -> None:
    first = journal.accept("docs", "a.txt", "aa", 10)
    run(journal)
    second = journal.accept("docs", "a.txt", "bb", 12)
    run(journal)

    assert second.document_id == first.document_id
    (document,) = journal.documents(None, limit=10, offset=0)
    assert document.sha256 == "bb"
    assert journal.needed() == {(first.document_id, "bb")}


def test_the_same_bytes_again_need_no_work(journal: Journal) -> None:
    journal.accept("docs", "a.txt", "aa", 10)
    run(journal)

    again = journal.accept("docs", "a.txt", "aa", 10)

    assert (again.status, again.chunks) == ("done", 3)
    assert journal.take("index") is None


def test_the_same_bytes_under_another_name_stay_one_document(journal: Journal) -> None:
    first = journal.accept("docs", "a.txt", "aa", 10)
    twin = journal.accept("docs", "b.txt", "aa", 10)
    run(journal)
    later = journal.accept("docs", "c.txt", "aa", 10)

    assert twin.id == first.id
    assert (later.document_id, later.name, later.status) == (first.document_id, "a.txt", "done")
    assert journal.count(None) == 1


def test_another_collection_has_documents_of_its_own(journal: Journal) -> None:
    first = journal.accept("docs", "a.txt", "aa", 10)
    other = journal.accept("more", "a.txt", "aa", 10)

    assert other.document_id != first.document_id
    assert journal.collections() == ["docs", "more"]


def test_a_refused_replacement_leaves_the_old_version_answering(journal: Journal) -> None:
    accepted = journal.accept("docs", "a.txt", "aa", 10)
    run(journal)
    journal.accept("docs", "a.txt", "bb", 12)
    job = journal.take("index")
    assert job is not None
    journal.close_job(job, "refused", "cut")

    document = journal.document(accepted.document_id)
    assert document is not None
    assert (document.status, document.sha256, document.reason) == ("done", "aa", "cut")


def test_a_newer_upload_takes_the_place_of_a_waiting_one(journal: Journal) -> None:
    old = journal.accept("docs", "a.txt", "aa", 10)
    new = journal.accept("docs", "a.txt", "bb", 12)

    assert run(journal).id == new.id
    closed = journal.job(old.id)
    assert closed is not None
    assert (closed.status, closed.reason) == ("cancelled", "replaced by a newer upload")


def test_jobs_of_one_document_wait_for_each_other(journal: Journal) -> None:
    journal.accept("docs", "a.txt", "aa", 10)
    running = journal.take("index")
    journal.accept("docs", "a.txt", "bb", 12)

    assert running is not None
    assert journal.take("index") is None

    journal.finish_index(running, chunks=1, pages=1)
    assert journal.take("index") is not None


def test_a_deleted_document_is_hidden_at_once_and_gone_when_done(journal: Journal) -> None:
    accepted = journal.accept("docs", "a.txt", "aa", 10)
    run(journal)

    journal.request_deletion(accepted.document_id)

    assert journal.document(accepted.document_id) is None
    assert journal.is_deleting(accepted.document_id)
    run(journal)
    assert journal.needed() == set()
    assert not journal.is_deleting(accepted.document_id)


def test_a_document_uploaded_again_while_it_is_deleted_is_kept(journal: Journal) -> None:
    accepted = journal.accept("docs", "a.txt", "aa", 10)
    run(journal)
    journal.request_deletion(accepted.document_id)
    journal.accept("docs", "a.txt", "aa", 10)

    assert run(journal).kind == "delete"
    assert run(journal).kind == "index"
    document = journal.document(accepted.document_id)
    assert document is not None
    assert (document.status, document.sha256) == ("done", "aa")


def test_what_was_running_is_taken_up_after_a_crash(journal: Journal, tmp_path: Path) -> None:
    accepted = journal.accept("docs", "a.txt", "aa", 10)
    journal.take("index")

    after = Journal(tmp_path / "journal.sqlite3")

    assert after.take("index") is None
    assert after.resume() == 1
    taken = after.take("index")
    after.close()
    assert taken is not None
    assert (taken.id, taken.attempts) == (accepted.id, 2)


def test_only_what_a_process_had_that_is_gone_is_taken_up(journal: Journal) -> None:
    for name in ("a", "b"):
        journal.accept("docs", f"{name}.txt", name, 10)
    gone, there = journal.take("index", "gone"), journal.take("index", "there")
    assert gone is not None
    assert there is not None

    resumed = journal.resume(lambda runner: runner == "there")

    assert resumed == 1
    assert journal.runners() == {"there"}
    again = journal.take("index", "other")
    assert again is not None
    assert again.id == gone.id
    assert not journal.is_idle()
    for job in (again, there):
        journal.finish_index(job, chunks=1, pages=1)
    assert journal.is_idle()


def test_a_job_to_be_tried_later_is_not_taken_before(journal: Journal) -> None:
    journal.accept("docs", "a.txt", "aa", 10)
    job = journal.take("index")
    assert job is not None

    journal.retry(job, "embedding cannot be reached", stage="embedding", delay=60)

    assert journal.take("index") is None
    assert 50 < (journal.seconds_to_next("index") or 0) <= 60
    waiting = journal.job(job.id)
    assert waiting is not None
    assert (waiting.status, waiting.stage) == ("queued", "embedding")


def test_a_waiting_job_is_cancelled_at_once_and_a_running_one_when_it_looks(
    journal: Journal,
) -> None:
    running = journal.accept("docs", "a.txt", "aa", 10)
    waiting = journal.accept("docs", "b.txt", "bb", 10)
    taken = journal.take("index")
    assert taken is not None
    assert taken.id == running.id
    assert journal.is_withdrawn(taken) is None

    cancelled = [journal.cancel(waiting.id), journal.cancel(running.id)]

    assert [job.status for job in cancelled if job] == ["cancelled", "running"]
    assert journal.is_withdrawn(taken) == "it was cancelled"
    assert journal.take("index") is None
    assert journal.cancel("unknown") is None


def test_a_cancelled_job_stays_cancelled_over_a_crash(journal: Journal) -> None:
    accepted = journal.accept("docs", "a.txt", "aa", 10)
    journal.take("index")
    journal.cancel(accepted.id)

    journal.resume()

    taken = journal.take("index")
    assert taken is not None
    assert journal.is_withdrawn(taken) == "it was cancelled"


def test_a_job_whose_document_is_deleted_is_withdrawn(journal: Journal) -> None:
    accepted = journal.accept("docs", "a.txt", "aa", 10)
    taken = journal.take("index")
    assert taken is not None

    journal.request_deletion(accepted.document_id)

    assert journal.is_withdrawn(taken) == "the document was deleted"


def test_a_done_job_keeps_the_verdicts_on_the_files_inside(journal: Journal) -> None:
    accepted = journal.accept("docs", "a.zip", "aa", 10)
    taken = journal.take("index")
    assert taken is not None
    files = '[{"name": "b.pdf", "pages": 0, "reason": "cut"}]'

    journal.finish_index(taken, chunks=3, pages=2, note="1 of 2 files refused", files=files)

    job = journal.job(accepted.id)
    assert job is not None
    assert job.public()["files"] == [{"name": "b.pdf", "pages": 0, "reason": "cut"}]
    assert (job.status, job.reason) == ("done", "1 of 2 files refused")


def test_a_journal_of_an_earlier_version_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite3"
    Journal(path).close()
    with sqlite3.connect(path) as old:
        for column in ("files", "cancelling"):
            old.execute(f"alter table jobs drop column {column}")
    old.close()

    journal = Journal(path)

    assert journal.accept("docs", "a.txt", "aa", 10).files == "[]"
    journal.close()


def test_a_journal_that_an_earlier_version_works_on_is_left_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal.sqlite3"
    Journal(path).close()
    earlier = sqlite3.connect(path, isolation_level=None)
    earlier.execute("pragma user_version = 0")
    monkeypatch.setattr("app.documents.opening.PATIENCE_MS", 10)

    with pytest.raises(WrongFormat, match="a process of an earlier version works on its journal"):
        Journal(path)
    earlier.close()

    Journal(path).close()


def test_a_journal_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    Journal(path).close()
    with sqlite3.connect(path) as newer:
        newer.execute(f"pragma user_version = {FORMAT + 1}")
    newer.close()

    with pytest.raises(WrongFormat, match=f"of format {FORMAT + 1}, and this version knows"):
        Journal(path)


def test_a_change_by_another_process_is_news_and_ones_own_is_not(tmp_path: Path) -> None:
    here, there = (Journal(tmp_path / "journal.sqlite3") for _ in range(2))
    here.has_news()

    here.accept("docs", "a.txt", "aa", 10)
    own = here.has_news()
    there.accept("docs", "b.txt", "bb", 10)
    news = here.has_news()

    assert (own, news, here.has_news()) == (False, True, False)
    here.close()
    there.close()
