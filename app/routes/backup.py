"""A backup of everything, and the way back; for admins."""

import asyncio
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from app.access.identity import visit
from app.backup.archive import size_of
from app.backup.backups import Backups, Held
from app.problems import Problem

TAR, BYTES = "application/x-tar", "application/octet-stream"


class Restored(BaseModel):
    """What a service holds after a restore; `created` is when the backup was taken."""

    created: str
    documents: int
    points: int


def backup_router(backups: Backups) -> APIRouter:
    router = APIRouter(tags=["backup"])

    @router.post(
        "/v1/backup",
        summary="All documents, chunks, jobs and keys as one file",
        response_class=StreamingResponse,
        responses={200: {"content": {TAR: {"schema": {"type": "string", "format": "binary"}}}}},
    )
    async def take() -> StreamingResponse:
        held = await backups.take()
        visit().object = {"documents": held.manifest.documents}
        return StreamingResponse(
            _sent(held),
            media_type=TAR,
            headers={
                "Content-Length": str(size_of(held.manifest)),
                "Content-Disposition": 'attachment; filename="stackyard-backup.tar"',
            },
        )

    @router.put(
        "/v1/backup",
        summary="Put a backup into a service that holds no document",
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {BYTES: {"schema": {"type": "string", "format": "binary"}}},
            }
        },
    )
    async def restore(request: Request) -> Restored:
        declared = int(request.headers.get("content-length", "0"))
        if not declared:
            message = "Send the file with its Content-Length"
            raise Problem(411, "length-required", "The length is needed", message)
        manifest = await backups.restore(request.stream(), declared=declared)
        visit().object = {"documents": manifest.documents}
        points = sum(manifest.points.values())
        return Restored(created=manifest.created, documents=manifest.documents, points=points)

    return router


async def _sent(held: Held) -> AsyncIterator[bytes]:
    pieces = held.pieces()
    try:
        while piece := await asyncio.to_thread(next, pieces, b""):
            yield piece
    finally:
        held.close()
