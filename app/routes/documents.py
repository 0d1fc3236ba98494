"""Documents in, listed, read, deleted; jobs to poll."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from app.documents.library import Library, check_collection
from app.documents.names import SUFFIXES
from app.problems import not_found

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
                            "description": f"one or more files: {', '.join(SUFFIXES)}",
                        },
                        "collection": {"type": "string"},
                    },
                }
            }
        },
    }
}


class JobView(BaseModel):
    """One change of one document."""

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


class Jobs(BaseModel):
    """What an upload started."""

    jobs: list[JobView]


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
            request.headers.get("content-type", ""),
            request.stream(),
            declared=int(request.headers.get("content-length", "0")),
            collection=collection,
        )
        return Jobs(jobs=[JobView.model_validate(job.public()) for job in jobs])

    @router.get("/v1/jobs/{job_id}", summary="How far a job is")
    async def job(job_id: str) -> JobView:
        return JobView.model_validate((await library.job(job_id)).public())

    @router.get("/v1/documents", summary="List documents")
    async def documents(
        collection: str | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        offset: Annotated[int, Query(ge=0)] = 0,
    ) -> dict[str, object]:
        if collection is not None:
            check_collection(collection)
        found, total = await library.documents(collection, limit=limit, offset=offset)
        return {"documents": [document.public() for document in found], "total": total}

    @router.get("/v1/documents/{document_id}", summary="One document")
    async def document(document_id: str) -> dict[str, object]:
        return (await library.document(document_id)).public()

    @router.get(
        "/v1/documents/{document_id}/text", summary="The text of a page; pages count from 1"
    )
    async def text(document_id: str, page: Annotated[int, Query(ge=1)] = 1) -> dict[str, object]:
        found, pages = await library.pages(document_id)
        for candidate in pages:
            if candidate.number == page:
                return {
                    "id": found.id,
                    "name": found.name,
                    "page": page,
                    "pages": len(pages),
                    "text": candidate.text,
                }
        numbers = [candidate.number for candidate in pages]
        msg = f"The document has pages {min(numbers)} to {max(numbers)}"
        raise not_found(msg)

    @router.delete(
        "/v1/documents/{document_id}",
        status_code=204,
        summary="Delete a document and all that was made of it",
        responses={202: {"description": "Hidden at once; the removal goes on as this job"}},
    )
    async def delete(document_id: str) -> Response:
        job = await library.delete(document_id)
        if job.status == "done":
            return Response(status_code=204)
        view = JobView.model_validate(job.public())
        return JSONResponse({"jobs": [view.model_dump()]}, 202)

    return router
