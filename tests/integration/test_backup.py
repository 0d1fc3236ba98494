"""The drill: write, back up, lose everything, restore; the same answers with the same citations."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.backup.sealing import Key, sealed
from stackyard.cli import app as cli
from tests.app.fake_qdrant import FakeQdrant
from tests.app.files import pdf
from tests.app.process import AppProcess
from tests.fakes.nim import FakeNim

pytestmark = pytest.mark.integration

OURS, NEWER, OTHERS = (Key(bytes([n]) * 32) for n in (1, 2, 3))
PLACES = {"Borduria": "Szohod", "Syldavia": "Klow", "Ruritania": "Strelsau", "Genovia": "Pyrus"}


@pytest.fixture
def old(tmp_path: Path, nim: FakeNim) -> Iterator[AppProcess]:
    """A service with documents in two collections, a key, and a deleted document."""
    with FakeQdrant() as qdrant:
        (tmp_path / "old").mkdir()
        process = AppProcess(tmp_path / "old", nim, qdrant).start()
        try:
            for place, city in PLACES.items():
                text = f"The capital of {place} is {city}."
                process.indexed(f"{place}.pdf", pdf(["A page before.", text]))
            process.indexed("other.txt", b"The capital of Zubrowka is Lutz.", collection="other")
            gone = process.indexed("gone.txt", b"The capital of Atlantis is Poseidonis.")
            with process.client() as client:
                client.delete(f"/v1/documents/{gone['document_id']}").raise_for_status()
            yield process
        finally:
            process.stop()


@pytest.fixture
def new(tmp_path: Path, nim: FakeNim) -> Iterator[AppProcess]:
    """An empty service on another machine, as far as this one can tell; it has a newer key."""
    with FakeQdrant() as qdrant:
        (tmp_path / "new").mkdir()
        keys = told_keys(tmp_path, NEWER, OURS)
        process = AppProcess(tmp_path / "new", nim, qdrant, environment=keys).start()
        try:
            yield process
        finally:
            process.stop()


def run(process: AppProcess, *arguments: str, fails: bool = False) -> str:
    where = ["--url", process.url, "--key-file", str(process.keys_file)]
    done = CliRunner().invoke(cli, [*arguments, *where])
    assert (done.exit_code != 0) == fails, done.output
    return done.output


def told_keys(folder: Path, *keys: Key) -> dict[str, str]:
    """Return the environment of a service that has keys of backups."""
    file = folder / "backup-keys"
    file.write_text("\n".join(base64.b64encode(each.secret).decode() for each in keys))
    return {"RAG_BACKUP_KEYS_FILE": str(file)}


def answers(process: AppProcess) -> list[object]:
    found: list[object] = []
    for place in PLACES:
        answer = process.ask(f"What is the capital of {place}?")
        found.append((answer["answer"], answer["citations"]))
    other = process.ask("What is the capital of Zubrowka?", collection="other")
    return [*found, (other["answer"], other["citations"])]


def listed(process: AppProcess) -> object:
    with process.client() as client:
        return client.get("/v1/documents").json()


def test_everything_comes_back_sealed_with_the_same_answers(
    tmp_path: Path, old: AppProcess, new: AppProcess, nim: FakeNim
) -> None:
    old.environment |= told_keys(old.directory, OURS)
    old.stop()
    old.start()
    file = tmp_path / "backup.tar.sealed"
    with old.client() as client:
        wanted = {"subject": "alice", "role": "reader"}
        key = client.post("/v1/keys", json=wanted).json()["key"]
    before, documents = answers(old), listed(old)
    assert f"sealed with key {OURS.id}" in run(old, "backup", "-o", str(file))
    assert file.stat().st_mode & 0o777 == 0o600
    assert not any(mark in file.read_bytes() for mark in (b"%PDF", b"journal.sqlite3", b"Borduria"))
    embedded = len(nim.posts("/v1/embeddings"))

    told = run(new, "restore", str(file))

    assert "5 document(s)" in told
    assert "keys that open again: alice (" in told
    assert len(nim.posts("/v1/embeddings")) == embedded  # nothing is embedded anew
    assert answers(new) == before
    assert listed(new) == documents
    with new.client(key) as client:
        assert client.get("/v1/me").json()["subject"] == "alice"
    with new.client() as client:
        document_id = documents["documents"][0]["id"]  # type: ignore[index]
        assert client.get(f"/v1/documents/{document_id}/text", params={"page": 2}).is_success
    # it is a service like any other: a restart keeps it, an upload goes on
    new.stop()
    new.start()
    assert answers(new) == before
    assert new.indexed("later.txt", b"The capital of Lutha is Lustadt.")["status"] == "done"


def test_what_is_uploaded_in_that_moment_is_in_it_whole_or_as_work_to_do(
    tmp_path: Path, old: AppProcess, new: AppProcess
) -> None:
    file = tmp_path / "backup.tar"
    uploads = [(f"{n}.txt", f"The capital of Land{n} is City{n}.".encode()) for n in range(20)]
    accepted = old.upload(*uploads).json()["jobs"]

    run(old, "backup", "-o", str(file))
    run(new, "restore", "--plain", str(file))

    assert {new.job(job["id"])["status"] for job in accepted} == {"done"}
    for n in (0, 7, 19):
        assert f"City{n}" in str(new.ask(f"What is the capital of Land{n}?")["answer"])


def test_a_service_that_holds_documents_takes_no_backup(tmp_path: Path, old: AppProcess) -> None:
    file = tmp_path / "backup.tar"
    run(old, "backup", "-o", str(file))

    with old.client() as client:
        refused = client.put("/v1/backup", content=file.read_bytes())

    assert (refused.status_code, refused.json()["type"]) == (409, "urn:stackyard:problem:not-empty")
    assert "It holds 5" in refused.json()["detail"]


def test_a_sealed_backup_without_its_key_or_with_a_damage_changes_nothing(
    tmp_path: Path, new: AppProcess
) -> None:
    file, content = tmp_path / "backup.tar.sealed", b"a" * 5000
    foreign, ours = (b"".join(sealed(iter([content]), len(content), key)) for key in (OTHERS, OURS))

    file.write_bytes(foreign)
    told = run(new, "restore", str(file), fails=True)
    with new.client() as client:
        damaged = client.put("/v1/backup", content=ours[:200] + b"b" + ours[201:])
        cut = client.put("/v1/backup", content=ours[:-50])

    assert f"sealed with key {OTHERS.id}, and the keys here are: {NEWER.id}, {OURS.id}" in told
    assert "Nothing was changed; add its key to the stack's backupKeys" in told
    assert (damaged.status_code, cut.status_code) == (422, 422)
    assert "piece 0 is damaged, or not in its place. Nothing" in damaged.json()["detail"]
    assert listed(new)["total"] == 0  # type: ignore[index]


def test_a_damaged_backup_changes_nothing(tmp_path: Path, old: AppProcess, new: AppProcess) -> None:
    file = tmp_path / "backup.tar"
    run(old, "backup", "-o", str(file))
    content = file.read_bytes()
    damaged = bytearray(content)
    damaged[content.index(b"%PDF")] ^= 1

    for bad in (bytes(damaged), content[: len(content) // 2], b"nothing of the kind"):
        with new.client() as client:
            refused = client.put("/v1/backup", content=bad, params={"plain": True})
        assert refused.status_code == 422, refused.text
        assert "Nothing was changed" in refused.json()["detail"]
    file.write_bytes(damaged)
    assert "is damaged at originals/" in run(new, "restore", "--plain", str(file), fails=True)
    assert listed(new)["total"] == 0  # type: ignore[index]

    file.write_bytes(content)
    told = run(new, "restore", str(file), fails=True)
    assert "it is not sealed, and this stack has backupKeys" in told
    assert listed(new)["total"] == 0  # type: ignore[index]
    run(new, "restore", "--plain", str(file))


def test_vectors_of_another_model_are_refused_with_both_names(
    tmp_path: Path, old: AppProcess, nim: FakeNim
) -> None:
    file = tmp_path / "backup.tar"
    run(old, "backup", "-o", str(file))
    (tmp_path / "third").mkdir()
    with FakeQdrant() as qdrant:
        changed = {"RAG_EMBEDDING_MODEL": "another", "RAG_EMBEDDING_DIMENSION": "512"}
        third = AppProcess(tmp_path / "third", nim, qdrant, environment=changed).start()
        try:
            with third.client() as client:
                refused = client.put("/v1/backup", content=file.read_bytes())
        finally:
            third.stop()

    assert (refused.status_code, refused.json()["type"]) == (
        409,
        "urn:stackyard:problem:another-model",
    )
    assert "fake-embedding with 384 numbers" in refused.json()["detail"]
    assert "another, 512 numbers" in refused.json()["detail"]


def test_only_an_admin_takes_or_puts_back_a_backup(old: AppProcess) -> None:
    with old.client() as client:
        wanted = {"subject": "bob", "role": "contributor"}
        key = client.post("/v1/keys", json=wanted).json()["key"]
    with old.client(key) as client:
        assert client.post("/v1/backup").status_code == 403
        assert client.put("/v1/backup", content=b"x").status_code == 403
