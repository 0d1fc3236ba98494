"""A backup of everything, and the way back; for admins."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel

from app.access.identity import visit
from app.backup.backups import Backups
from app.backup.chain import MEDIA_TYPE
from app.backup.held import Held
from app.problems import Problem

TAR, BYTES = "application/x-tar", "application/octet-stream"
# by which the next one goes on, and how many documents there are: a sealed file tells neither
MARK, DOCUMENTS = "Backup-Mark", "Backup-Documents"
FILE = {"schema": {"type": "string", "format": "binary"}}


class Restored(BaseModel):
    """What a service holds after a restore; `created` is the moment that it is of."""

    created: str
    documents: int
    points: int


def backup_router(backups: Backups) -> APIRouter:
    router = APIRouter(tags=["backup"])

    @router.post(
        "/v1/backup",
        summary="All documents, chunks, jobs and keys as one file, or what changed since another",
        response_class=StreamingResponse,
        responses={
            200: {
                "content": {TAR: FILE, BYTES: FILE},
                "headers": {name: {"schema": {"type": "string"}} for name in (MARK, DOCUMENTS)},
            },
            204: {"description": "Nothing has changed since"},
        },
    )
    async def take(since: str | None = None) -> Response:
        held = await backups.take(since)
        if held is None:
            return Response(status_code=204)
        visit().object = {"documents": held.manifest.documents, "since": since}
        return StreamingResponse(
            _sent(held),
            media_type=TAR if held.key is None else BYTES,
            headers={
                "Content-Length": str(held.size()),
                "Content-Disposition": f'attachment; filename="stackyard-backup{held.suffix}"',
                MARK: held.manifest.mark,
                DOCUMENTS: str(held.manifest.documents),
            },
        )

    @router.put(
        "/v1/backup",
        summary="Put a backup, or one and those that continue it, into a service without documents",
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {BYTES: FILE, MEDIA_TYPE: FILE},
            }
        },
    )
    async def restore(request: Request, plain: bool = False) -> Restored:
        declared = int(request.headers.get("content-length", "0"))
        if not declared:
            message = "Send the file with its Content-Length"
            raise Problem(411, "length-required", "The length is needed", message)
        several = request.headers.get("content-type", "").partition(";")[0].strip() == MEDIA_TYPE
        back = await backups.restore(
            request.stream(), declared=declared, several=several, plain=plain
        )
        visit().object = {"documents": back.documents, **({"plain": True} if plain else {})}
        return Restored.model_validate(asdict(back))

    return router


async def _sent(held: Held) -> AsyncIterator[bytes]:
    pieces = held.pieces()
    try:
        while piece := await asyncio.to_thread(next, pieces, b""):
            yield piece
    finally:
        held.close()
