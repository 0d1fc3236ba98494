"""What reads a file is killed from outside: that is no verdict on the file, until it goes on."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.documents.journal import Journal
from app.documents.records import Job
from app.documents.shelf import Shelf
from app.documents.work import FURTHER_TRIES, Work
from pipelines.convert import Limits, Readers, ReadingKilled
from pipelines.reading.kinds import SITE
from tests.app.test_work import Index

# As the kernel does where memory runs out, or where all of a node ends: to the one or the other.
DEADLY = """
import os, signal
from pipelines.reading.page import Page

ENDINGS = (".log",)

def read(path, limits):
    *times, who = path.read_text().split()
    seen = path.with_name("seen")
    killed = len(seen.read_text()) if seen.exists() else 0
    if killed < len(times):
        seen.write_text("x" * (killed + 1))
        os.kill(os.getppid() if who == "reader" else os.getpid(), signal.SIGKILL)
        os._exit(0)
    return [Page(number=1, text="The pump is green.")]
"""


@pytest.fixture(autouse=True)
def deadly(tmp_path: Path) -> Iterator[None]:
    converter = tmp_path / "deadly.py"
    converter.write_text(DEADLY)
    SITE[".log"] = converter
    yield
    SITE.clear()


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "journal.sqlite3")
    yield journal
    journal.close()


@pytest.mark.parametrize("who", ["reader", "fork"])
def test_it_is_told_as_such_and_the_next_file_is_read(tmp_path: Path, who: str) -> None:
    file = tmp_path / "a.log"
    file.write_text(f"once {who}")
    readers = Readers()

    with pytest.raises(ReadingKilled):
        readers.read(file, "a.log", Limits())
    again = readers.read(file, "a.log", Limits())
    readers.close()

    assert [page.text for page in again.pages] == ["The pump is green."]


@pytest.mark.parametrize(
    ("kills", "end"), [(FURTHER_TRIES, "done"), (FURTHER_TRIES + 1, "refused")]
)
def test_a_file_is_tried_again_and_refused_after_two_further_tries(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kills: int, end: str
) -> None:
    monkeypatch.setattr("app.documents.work.KILLED_DELAY", 0.0)
    text = f"{'again ' * kills}fork".encode()
    sha256 = hashlib.sha256(text).hexdigest()
    shelf = Shelf(tmp_path)
    upload = shelf.new_upload()
    upload.write_bytes(text)
    shelf.keep(upload, sha256)
    work = Work(journal, shelf, Index(), limits=Limits())
    job = journal.accept("docs", "a.log", sha256, len(text))

    while (taken := journal.take("index", "here")) is not None:
        work.do(taken)
    work.close()

    ended: Job | None = journal.job(job.id)
    assert ended is not None
    assert (ended.status, ended.attempts) == (end, kills + 1)
    assert end == "done" or str(ended.reason).startswith("what read this file was killed 3 times")
