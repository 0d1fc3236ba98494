"""The drill between two whole backups: change, lose everything, come back to any of its moments."""

import base64
import signal
from datetime import datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.backup.fetching import Source
from app.backup.following import Follower
from app.backup.keeping import Folder
from app.backup.kept import backups
from app.backup.sealing import Key
from stackyard.cli import app as cli
from tests.app.fake_qdrant import FakeQdrant
from tests.app.process import AppProcess
from tests.fakes.nim import FakeNim

pytestmark = pytest.mark.integration

PLACES = ("Borduria", "Syldavia", "Ruritania", "Genovia")


def text(place: str, city: str) -> bytes:
    return f"The capital of {place} is {city}.".encode()


def run(process: AppProcess, *arguments: str, fails: bool = False) -> str:
    where = ["--url", process.url, "--key-file", str(process.keys_file)]
    done = CliRunner().invoke(cli, [*arguments, *where])
    assert (done.exit_code != 0) == fails, done.output
    return done.output


def told_at(name: str) -> str:
    """Return the moment that a name has, as a person types it."""
    digits = name.removeprefix("stackyard-").partition("Z")[0]
    return f"{datetime.strptime(digits, '%Y%m%dT%H%M%S%f').isoformat()}Z"


def seen(process: AppProcess) -> list[object]:
    """Return the documents, who reads them, and what is answered with which citations."""
    with process.client() as client:
        listed = client.get("/v1/documents").json()
        readers = [
            client.get(f"/v1/documents/{each['id']}/readers").json()["readers"]
            for each in listed["documents"]
        ]
    asked = [process.ask(f"What is the capital of {place}?") for place in PLACES]
    return [listed, readers, [(each["answer"], each["citations"]) for each in asked]]


def test_every_moment_comes_back_sealed_with_the_readers_of_then(
    tmp_path: Path, nim: FakeNim
) -> None:
    (tmp_path / "key").write_text(base64.b64encode(Key(bytes(32)).secret).decode())
    sealing = {"RAG_BACKUP_KEYS_FILE": str(tmp_path / "key")}
    places = tmp_path / "old", tmp_path / "new"
    for each in places:
        each.mkdir()
    with FakeQdrant() as qdrant, FakeQdrant() as empty:
        old = AppProcess(places[0], nim, qdrant, environment=sealing).start()
        source, kept = Source(old.url, old.keys_file), tmp_path / "kept"
        chain = Follower(source, Folder(kept), keep=2, whole_every=24.0)
        new = AppProcess(places[1], nim, empty, environment=sealing).start()
        try:
            ids = {
                place: str(old.indexed(f"{place}.txt", text(place, "Alpha"))["document_id"])
                for place in PLACES[:3]
            }
            assert chain.step() is not None
            assert chain.step() is None  # nothing changed
            with old.client() as client:
                wanted = {"subject": "bob", "role": "reader"}
                bob = client.post("/v1/keys", json=wanted).json()
                client.put(
                    f"/v1/documents/{ids['Syldavia']}/readers", json={"readers": []}
                ).raise_for_status()
                client.delete(f"/v1/documents/{ids['Ruritania']}").raise_for_status()
            old.indexed("Borduria.txt", text("Borduria", "Beta"))
            old.indexed("Genovia.txt", text("Genovia", "Beta"))
            assert ".more.tar.sealed" in str(chain.step())
            middle = seen(old)
            old.indexed("Ruritania.txt", text("Ruritania", "Gamma"))
            with old.client() as client:
                gone = f"/v1/documents/{ids['Borduria']}"
                client.delete(gone, params={"erase": "true"}).raise_for_status()
                client.delete(f"/v1/keys/{bob['id']}").raise_for_status()
            assert ".more.tar.sealed" in str(chain.step())
            end = seen(old)
            old.stop(signal.SIGKILL)
            embedded = len(nim.posts("/v1/embeddings"))

            whole, more, last = backups(each.name for each in kept.iterdir())
            (kept / more.name).rename(tmp_path / more.name)
            hole = run(new, "restore", str(kept), fails=True)
            (tmp_path / more.name).rename(kept / more.name)
            alone = run(new, "restore", str(kept / more.name), fails=True)
            told = run(new, "restore", str(kept), "--at", told_at(more.name))

            assert f"{last.mark} goes on from {more.mark}, and before it comes {whole.mark}" in hole
            assert "has only what changed since the backup before it" in alone
            assert "3 document(s)" in told
            assert len(nim.posts("/v1/embeddings")) == embedded  # nothing is embedded anew
            assert seen(new) == middle
            with new.client(bob["key"]) as client:
                assert client.get(f"/v1/documents/{ids['Syldavia']}").status_code == 404
                assert client.get(f"/v1/documents/{ids['Borduria']}").status_code == 200
            with new.client() as client:
                client.delete("/v1/documents", params={"before": "2100-01-01T00:00:00Z"})
                assert client.get("/v1/documents").json()["total"] == 0

            assert "and 2 that go on from it" in run(new, "restore", str(kept))
            assert seen(new) == end
            with new.client(bob["key"]) as client:
                assert client.get("/v1/me").status_code == 401
            originals = (places[1] / "data" / "originals").rglob("*")
            assert len([each for each in originals if each.is_file()]) == 3
        finally:
            old.stop()
            new.stop()
