"""What the journal holds: documents and the jobs that change them."""

import json
from dataclasses import asdict, dataclass
from typing import Literal

Status = Literal["queued", "running", "done", "refused", "failed", "cancelled"]
OPEN_STATES: tuple[Status, ...] = ("queued", "running")
# In `quarantined`, beside 0 and 1: a version that is to be quarantined is being written over one
# that answered.
HELD_BACK = 2


@dataclass(frozen=True, kw_only=True)
class Job:
    """One change of one document."""

    id: str
    kind: Literal["index", "delete"]
    document_id: str
    collection: str
    name: str
    sha256: str
    size: int
    status: Status
    stage: str | None
    progress: float
    attempts: int
    chunks: int | None
    pages: int | None
    reason: str | None
    created: str
    updated: str
    # The verdicts on the files inside an archive or a mail, as JSON.
    files: str
    cancelling: int
    # The subject of who caused it; empty for the first key.
    owner: str
    # What its pages hold for a language model instead of for readers, as JSON.
    warnings: str
    # How often a process ended while it read the file.
    unended: int

    @property
    def closed(self) -> bool:
        return self.status not in OPEN_STATES

    def public(self) -> dict[str, object]:
        """Return what callers see."""
        shown = asdict(self)
        shown |= {"files": json.loads(self.files), "warnings": json.loads(self.warnings)}
        del shown["sha256"], shown["cancelling"], shown["owner"], shown["unended"]
        return shown


@dataclass(frozen=True, kw_only=True)
class Document:
    """A file that was accepted; `sha256` is the version that answers now, None before the first."""

    id: str
    collection: str
    name: str
    sha256: str | None
    size: int
    chunks: int
    pages: int
    created: str
    updated: str
    owner: str
    # Names as JSON, sorted: "everyone", "user:..." and "group:..."; empty is nobody.
    readers: str
    # What its chunks say of them; None where that is not known.
    readers_written: str | None
    # Of the version that answers; while it is quarantined it is never cited.
    warnings: str
    quarantined: int
    job_id: str
    job_status: Status
    reason: str | None

    @property
    def status(self) -> Status:
        """A version that answers stays `done`, whatever becomes of its replacement."""
        return "done" if self.sha256 is not None else self.job_status

    def public(self) -> dict[str, object]:
        """Return what callers see."""
        return {
            "id": self.id,
            "name": self.name,
            "collection": self.collection,
            "status": self.status,
            "bytes": self.size,
            "pages": self.pages,
            "chunks": self.chunks,
            "sha256": self.sha256,
            "reason": self.reason,
            "created": self.created,
            "updated": self.updated,
            "warnings": json.loads(self.warnings),
            "quarantined": bool(self.quarantined),
            "job": {"id": self.job_id, "status": self.job_status},
        }
