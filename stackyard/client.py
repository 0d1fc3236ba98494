"""The service over HTTP, typed: what ask, ingest and accept call. Needs httpx and nothing else."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import httpx

from stackyard.connection import Connection, body_of, problem
from stackyard.errors import NotThere, Trouble
from stackyard.replies import (
    Answer,
    Document,
    Hit,
    Job,
    Json,
    answer_from,
    document_from,
    hit_from,
    job_from,
)

PAGE = 1000  # documents in one answer of the list
POLL_SECONDS = 0.2
FIRST_POLL_SECONDS = 0.02
UPLOAD_SECONDS = 900.0
BACKUP_SECONDS = 1800.0  # between two bytes, while points are read or written


class Service(Connection):
    """What one service is asked, with its answers as types."""

    def ready(self) -> list[str]:
        """Return what is missing, as `name: reason`; nothing missing is ready."""
        response = self.send("GET", "/readyz", refuse=False, timeout=10)
        if response.status_code == 200:
            return []
        body = body_of(response)
        missing = body.get("missing")
        if not isinstance(missing, list) or not missing:
            return [f"the service answers {response.status_code}"]
        return [f"{entry['name']}: {entry['reason']}" for entry in missing]

    def wait_ready(self, seconds: float, tell: Callable[[str], None]) -> None:
        """Wait until nothing is missing; raise Trouble with the last reasons."""
        end = time.monotonic() + seconds
        while True:
            try:
                missing = self.ready()
            except (NotThere, httpx.HTTPError) as error:
                missing = [str(error)]
            if not missing:
                return
            if time.monotonic() > end:
                message = f"{self.url} was not ready within {seconds:.0f} s: {'; '.join(missing)}"
                raise Trouble(message, "stackyard status, then stackyard logs app")
            tell("; ".join(missing))
            time.sleep(POLL_SECONDS)

    def ask(
        self, question: str, collection: str | None = None, filters: Json | None = None
    ) -> Answer:
        asked = self._question(question, collection) | ({"filters": filters} if filters else {})
        return answer_from(body_of(self.send("POST", "/query/run", json=asked)))

    def stream(self, question: str, collection: str | None = None) -> Iterator[str | Answer]:
        """Yield the answer's text as it grows, then the whole Answer."""
        asked = self._question(question, collection) | {"stream": True}
        with self.streamed("POST", "/query/run", json=asked) as response:
            yield from _deltas(response)

    def search(
        self, query: str, top_k: int, collection: str | None = None, filters: Json | None = None
    ) -> list[Hit]:
        """Return the best passages, best first, without asking the language model."""
        asked: Json = {"query": query, "top_k": top_k}
        asked |= {"collection": collection} if collection else {}
        asked |= {"filters": filters} if filters else {}
        listed = body_of(self.send("POST", "/v1/search", json=asked)).get("hits")
        return [hit_from(entry) for entry in listed] if isinstance(listed, list) else []

    def upload(
        self, path: Path, name: str, collection: str | None = None, readers: str | None = None
    ) -> Job:
        """Send one file; the returned job may still be queued."""
        with path.open("rb") as file:
            return self.upload_file(file, name, collection, readers)

    def upload_file(
        self,
        file: BinaryIO,
        name: str,
        collection: str | None = None,
        readers: str | None = None,
    ) -> Job:
        data = {"collection": collection} if collection else {}
        data |= {"readers": readers} if readers is not None else {}
        response = self.send(
            "POST",
            "/v1/documents",
            files={"file": (name, file)},
            data=data or None,
            timeout=UPLOAD_SECONDS,
        )
        return _jobs(response)[0]

    def job(self, job_id: str) -> Job:
        return job_from(body_of(self.send("GET", f"/v1/jobs/{job_id}")))

    def wait_job(self, job: Job, seconds: float = UPLOAD_SECONDS) -> Job:
        """Return the job when it has ended, in whatever way."""
        start = time.monotonic()
        while not job.ended:
            waited = time.monotonic() - start
            if waited > seconds:
                message = f"{job.name} was still {job.status} after {seconds:.0f} s"
                raise Trouble(message, "stackyard logs app")
            # A twentieth of the wait so far: a short job is not made a long one by asking late.
            time.sleep(min(POLL_SECONDS, max(FIRST_POLL_SECONDS, waited / 20)))
            job = self.job(job.id)
        return job

    def documents(self, collection: str | None = None) -> list[Document]:
        found: list[Document] = []
        while True:
            asked = {"limit": str(PAGE), "offset": str(len(found))}
            asked |= {"collection": collection} if collection else {}
            listed = body_of(self.send("GET", "/v1/documents", params=asked)).get("documents")
            page = [document_from(entry) for entry in listed] if isinstance(listed, list) else []
            found += page
            if len(page) < PAGE:
                return found

    def quarantine(self, document_id: str, *, held: bool) -> Document:
        """Keep a document from being cited, or let it again."""
        method = "PUT" if held else "DELETE"
        return document_from(body_of(self.send(method, f"/v1/documents/{document_id}/quarantine")))

    def page_text(self, document_id: str, page: int) -> str:
        asked = self.send("GET", f"/v1/documents/{document_id}/text", params={"page": str(page)})
        return str(body_of(asked).get("text", ""))

    def delete(self, document_id: str) -> None:
        """Delete a document and wait until all that was made of it is gone."""
        response = self.send("DELETE", f"/v1/documents/{document_id}")
        if response.status_code == 202:
            for entry in _jobs(response):
                job = self.wait_job(entry)
                if job.status != "done":
                    message = f"the deletion of {job.name} was {job.status}: {job.reason}"
                    raise Trouble(message, "stackyard logs app")

    def models(self) -> list[str]:
        listed = body_of(self.send("GET", "/v1/models")).get("data")
        return [str(entry["id"]) for entry in listed] if isinstance(listed, list) else []

    def erase(self, selected: dict[str, str]) -> int:
        """Erase the selected documents, wait until they are gone, and return how many."""
        body = body_of(self.send("DELETE", "/v1/documents", params=selected))
        jobs = body.get("jobs")
        for job_id in jobs if isinstance(jobs, list) else []:
            job = self.wait_job(self.job(str(job_id)))
            if job.status != "done":
                message = f"a document is hidden, and its removal was {job.status}: {job.reason}"
                raise Trouble(message, "stackyard logs app")
        return int(str(body.get("erased", 0)))

    def metrics(self) -> str:
        return self.send("GET", "/metrics").text

    def keys(self) -> list[Json]:
        listed = body_of(self.send("GET", "/v1/keys")).get("keys")
        return listed if isinstance(listed, list) else []

    def create_key(self, wanted: Json) -> Json:
        """Return the new key; its text is in no other answer."""
        return body_of(self.send("POST", "/v1/keys", json=wanted))

    def revoke_key(self, key_id: str) -> None:
        self.send("DELETE", f"/v1/keys/{key_id}")

    @contextmanager
    def backup(self) -> Iterator[tuple[int, Iterator[bytes]]]:
        """Give the size of a backup of everything, and its bytes as they come."""
        # the moment that it is of comes when no document is being read
        with self.streamed("POST", "/v1/backup", timeout=BACKUP_SECONDS) as response:
            yield int(response.headers["Content-Length"]), response.iter_raw()

    def restore(
        self, size: int, pieces: Iterator[bytes], *, several: bool = False, plain: bool = False
    ) -> Json:
        """Put a backup into a service that holds no document; return what it holds then.

        `several`: each file of a chain, behind its length. With `plain` they need not be sealed
        where the stack has keys of backups.
        """
        kind = "application/vnd.stackyard.backups" if several else "application/octet-stream"
        headers = {"Content-Length": str(size), "Content-Type": kind}
        path = "/v1/backup?plain=true" if plain else "/v1/backup"
        response = self.send("PUT", path, content=pieces, headers=headers, timeout=BACKUP_SECONDS)
        return body_of(response)

    def _question(self, question: str, collection: str | None) -> Json:
        return {"question": question, **({"collection": collection} if collection else {})}


def _deltas(response: httpx.Response) -> Iterator[str | Answer]:
    """Read server-sent events: pieces of text, then the answer, or the problem that ended it."""
    for line in response.iter_lines():
        if not line.startswith("data:"):
            continue
        data = line.removeprefix("data:").strip()
        if data == "[DONE]":
            return
        event = json.loads(data)
        if "problem" in event:
            raise problem(int(event["problem"].get("status", 500)), event["problem"])
        if "answer" in event:
            yield answer_from(event["answer"])
        else:
            yield str(event.get("delta", ""))


def _jobs(response: httpx.Response) -> list[Job]:
    listed = body_of(response).get("jobs")
    if not isinstance(listed, list) or not listed:
        message = f"{response.url} answered without a job"
        raise Trouble(message, "is that a stackyard service of this version?")
    return [job_from(entry) for entry in listed]
