"""A backup of everything, and the way back; for admins."""

import asyncio
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from app.access.identity import visit
from app.backup.backups import Backups, Held
from app.problems import Problem

TAR, BYTES = "application/x-tar", "application/octet-stream"
FILE = {"schema": {"type": "string", "format": "binary"}}


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
        responses={200: {"content": {TAR: FILE, BYTES: FILE}}},
    )
    async def take() -> StreamingResponse:
        held = await backups.take()
        visit().object = {"documents": held.manifest.documents}
        return StreamingResponse(
            _sent(held),
            media_type=TAR if held.key is None else BYTES,
            headers={
                "Content-Length": str(held.size()),
                "Content-Disposition": f'attachment; filename="stackyard-backup{held.suffix}"',
            },
        )

    @router.put(
        "/v1/backup",
        summary="Put a backup into a service that holds no document",
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {BYTES: FILE},
            }
        },
    )
    async def restore(request: Request, plain: bool = False) -> Restored:
        declared = int(request.headers.get("content-length", "0"))
        if not declared:
            message = "Send the file with its Content-Length"
            raise Problem(411, "length-required", "The length is needed", message)
        manifest = await backups.restore(request.stream(), declared=declared, plain=plain)
        visit().object = {"documents": manifest.documents, **({"plain": True} if plain else {})}
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
