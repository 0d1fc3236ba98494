"""Documents in, listed, read, deleted; jobs to poll."""

import json
from collections.abc import AsyncIterator
from datetime import UTC
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import AwareDatetime, BaseModel, Field

from app.access.identity import Identity, caller, visit
from app.documents.journal_reads import MOST_SKIPPED
from app.documents.library import Library
from app.documents.names import check_collection
from app.documents.reading import Selection
from app.documents.records import Document
from app.problems import invalid, not_found
from pipelines.convert import KINDS

UPLOAD_SCHEMA = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {
                            "type": "array",
                            "items": {"type": "string", "format": "binary"},
                            "description": f"one or more files: {', '.join(KINDS)}",
                        },
                        "collection": {"type": "string"},
                        "readers": {
                            "type": "string",
                            "description": "who may read it, separated by commas: everyone, "
                            "user:<name>, group:<name>; empty is nobody but owner and admins",
                        },
                    },
                }
            }
        },
    }
}


class FileView(BaseModel):
    """What became of a file inside an archive or a mail; `reason` is why it was refused."""

    name: str
    pages: int
    reason: str | None


class WarningView(BaseModel):
    """Something on a page that speaks to a language model: instructions, hidden text, codes."""

    kind: str
    page: int
    excerpt: str


class JobView(BaseModel):
    """One change of one document; `reason` of a done job says what of it could not be read."""

    id: str
    kind: Literal["index", "delete"]
    document_id: str
    collection: str
    name: str
    size: int
    status: Literal["queued", "running", "done", "refused", "failed", "cancelled"]
    stage: str | None
    progress: float
    attempts: int
    chunks: int | None
    pages: int | None
    reason: str | None
    created: str
    updated: str
    files: list[FileView]
    warnings: list[WarningView]


class Readers(BaseModel):
    """Who may read a document; `written` is false where that has not reached the chunks yet."""

    owner: str
    readers: list[str]
    written: bool


class NewReaders(BaseModel):
    """Who may read a document from now on; an empty list is nobody but its owner and admins."""

    readers: Annotated[list[str], Field(max_length=100)]


class Erased(BaseModel):
    """How many documents are hidden now, and the jobs that remove them."""

    erased: int
    jobs: list[str]


class Jobs(BaseModel):
    """What an upload started."""

    jobs: list[JobView]


def _readers(document: Document, written: bool) -> Readers:
    return Readers(owner=document.owner, readers=json.loads(document.readers), written=written)


async def _events(library: Library, identity: Identity, job_id: str) -> AsyncIterator[str]:
    async for job in library.follow(identity, job_id):
        if job is None:
            yield ": still here\n\n"
        else:
            yield f"event: job\ndata: {JobView.model_validate(job.public()).model_dump_json()}\n\n"


def documents_router(library: Library) -> APIRouter:
    router = APIRouter(tags=["documents"])

    @router.post(
        "/v1/documents",
        status_code=202,
        summary="Upload files; poll their jobs",
        openapi_extra=UPLOAD_SCHEMA,
    )
    async def upload(request: Request, collection: str | None = None) -> Jobs:
        jobs = await library.upload(
            caller(),
            request.headers.get("content-type", ""),
            request.stream(),
            declared=int(request.headers.get("content-length", "0")),
            collection=collection,
        )
        return Jobs(jobs=[JobView.model_validate(job.public()) for job in jobs])

    @router.get("/v1/jobs/{job_id}", summary="How far a job is")
    async def job(job_id: str) -> JobView:
        return JobView.model_validate((await library.job(caller(), job_id)).public())

    @router.get(
        "/v1/jobs/{job_id}/events",
        summary="Follow a job: server-sent events with the job, the last when it is closed",
        response_class=StreamingResponse,
        responses={200: {"content": {"text/event-stream": {}}}},
    )
    async def events(job_id: str) -> StreamingResponse:
        await library.job(caller(), job_id)
        return StreamingResponse(_events(library, caller(), job_id), media_type="text/event-stream")

    @router.delete("/v1/jobs/{job_id}", summary="Cancel a job; what it wrote is taken back")
    async def cancel(job_id: str) -> JobView:
        return JobView.model_validate((await library.cancel(caller(), job_id)).public())

    @router.get("/v1/documents", summary="List documents")
    async def documents(
        collection: str | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        offset: Annotated[int, Query(ge=0, le=MOST_SKIPPED)] = 0,
    ) -> dict[str, object]:
        if collection is not None:
            check_collection(collection)
        found, total = await library.documents(caller(), collection, limit=limit, offset=offset)
        return {"documents": [document.public() for document in found], "total": total}

    @router.delete(
        "/v1/documents",
        status_code=202,
        summary="Erase all documents of a user, or older than a moment, and what is known of them",
    )
    async def erase(
        owner: Annotated[str | None, Query(min_length=1, max_length=200)] = None,
        before: AwareDatetime | None = None,
        collection: str | None = None,
    ) -> Erased:
        if owner is None and before is None:
            msg = "name an owner, a moment, or both"
            raise invalid(msg)
        if collection is not None:
            check_collection(collection)
        moment = None
        if before is not None:
            moment = before.astimezone(UTC).isoformat(timespec="milliseconds")
        jobs = await library.erase(Selection(owner, moment), collection)
        visit().object = {"erased": len(jobs), "before": moment, "owner": owner}
        return Erased(erased=len(jobs), jobs=[job.id for job in jobs])

    @router.get("/v1/documents/{document_id}", summary="One document")
    async def document(document_id: str) -> dict[str, object]:
        return (await library.document(caller(), document_id)).public()

    @router.get(
        "/v1/documents/{document_id}/text", summary="The text of a page; pages count from 1"
    )
    async def text(document_id: str, page: Annotated[int, Query(ge=1)] = 1) -> dict[str, object]:
        found, pages = await library.pages(caller(), document_id)
        for candidate in pages:
            if candidate.number == page:
                return {
                    "id": found.id,
                    "name": found.name,
                    "page": page,
                    "pages": len(pages),
                    "part": candidate.part,
                    "text": candidate.text,
                }
        numbers = [candidate.number for candidate in pages]
        msg = f"The document has pages {min(numbers)} to {max(numbers)}"
        raise not_found(msg)

    @router.get("/v1/documents/{document_id}/readers", summary="Who may read a document")
    async def readers(document_id: str) -> Readers:
        return _readers(*await library.readers(caller(), document_id))

    @router.put(
        "/v1/documents/{document_id}/readers", summary="Say who may read a document, at once"
    )
    async def set_readers(document_id: str, new: NewReaders) -> Readers:
        return _readers(*await library.set_readers(caller(), document_id, new.readers))

    @router.put(
        "/v1/documents/{document_id}/quarantine",
        summary="Keep a document from being cited, at once",
    )
    async def quarantine(document_id: str) -> dict[str, object]:
        return (await library.quarantine(caller(), document_id, held=True)).public()

    @router.delete(
        "/v1/documents/{document_id}/quarantine",
        summary="Release a document: it may be cited again, at once",
    )
    async def release(document_id: str) -> dict[str, object]:
        return (await library.quarantine(caller(), document_id, held=False)).public()

    @router.delete(
        "/v1/documents/{document_id}",
        status_code=204,
        summary="Delete a document and all that was made of it",
        responses={202: {"description": "Hidden at once; the removal goes on as this job"}},
    )
    async def delete(document_id: str, erase: bool = False) -> Response:
        job = await library.delete(caller(), document_id, erase=erase)
        if job.status == "done":
            return Response(status_code=204)
        view = JobView.model_validate(job.public())
        return JSONResponse({"jobs": [view.model_dump()]}, 202)

    return router
