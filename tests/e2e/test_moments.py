"""Backups that follow what changes, on the journeys' cluster: back to before a mistake."""

import base64
import io
import tarfile
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.e2e.test_journey import ask, documents, quoted_on_its_page, upload
from tests.e2e.yard import Yard

pytestmark = pytest.mark.e2e

FOLLOW = 5  # seconds, the least
PATIENCE = 240
REST = 3 * FOLLOW  # no new backup in it: nothing has changed since the last one
LIST = "import os; print(*os.listdir('/backups'))"
# the image has no tar, which `kubectl cp` asks for
FETCH = """
import base64, io, tarfile
out = io.BytesIO()
with tarfile.open(fileobj=out, mode="w") as tar:
    tar.add("/backups", arcname="kept")
print(base64.b64encode(out.getvalue()).decode())
"""


def test_documents_deleted_by_mistake_come_back_as_they_were_a_moment_before(
    yard: Yard, tmp_path: Path
) -> None:
    namespace = f"rag-{yard.stack}"
    yard.pulumi("config", "rm", "--path", "stackyard:backup.schedule")
    yard.pulumi("config", "set", "--path", "stackyard:backup.follow", str(FOLLOW))
    yard.pulumi("up", "--yes", "--skip-preview", "--non-interactive")
    # it is ready once it goes on
    ready = ("--for=condition=available", "deployment/backup", f"--timeout={PATIENCE}s")
    yard.kubectl("wait", "-n", namespace, *ready)

    with yard.client() as service:
        earlier = kept(yard)
        assert (
            upload(service, "mill.txt", b"The miller of Askby is Anselm Kvist.")["status"] == "done"
        )
        at_rest(yard, since=earlier)
        before, moment = documents(service), datetime.now(UTC)
        earlier = kept(yard)
        for document in before.values():
            service.delete(f"/v1/documents/{document}").raise_for_status()
        assert documents(service) == {}
        at_rest(yard, since=earlier)

        folder = fetched(yard, tmp_path)
        yard.stackyard("restore", str(folder), "--at", moment.isoformat(timespec="seconds"))

        assert documents(service) == before
        answer = ask(service, "Who is the miller of Askby?")
        assert answer["citations"][0]["document"] == "mill.txt"
        quoted_on_its_page(service, answer["citations"][0])


def kept(yard: Yard) -> set[str]:
    return {name for name in in_pod(yard, LIST).split() if name.endswith(".tar")}


def at_rest(yard: Yard, *, since: set[str]) -> None:
    """Wait until there are newer backups than these, and no further one comes."""
    until = time.monotonic() + PATIENCE
    seen, last = since, time.monotonic()
    while seen == since or time.monotonic() < last + REST:
        assert time.monotonic() < until, seen
        time.sleep(1)
        if (now := kept(yard)) != seen:
            seen, last = now, time.monotonic()


def fetched(yard: Yard, into: Path) -> Path:
    """Return a folder with what lies on the volume of the backups."""
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(in_pod(yard, FETCH)))) as tar:
        tar.extractall(into, filter="data")
    return into / "kept"


def in_pod(yard: Yard, program: str) -> str:
    pod = ("-n", f"rag-{yard.stack}", "deployment/backup")
    return yard.kubectl("exec", *pod, "--", "python3", "-c", program)
