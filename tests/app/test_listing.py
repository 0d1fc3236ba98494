"""How far a list of documents can be asked for."""

import asyncio
from typing import cast

import httpx
import pytest
from fastapi import FastAPI
from pydantic import ValidationError

from app.documents.journal_reads import MOST_SKIPPED
from app.documents.library import Library
from app.problems import install
from app.routes.documents import documents_router
from app.tools import ListArguments


def test_an_offset_that_no_list_can_have_is_refused() -> None:
    app = FastAPI()
    install(app)
    app.include_router(documents_router(cast("Library", None)))  # it is not asked

    async def asked(offset: int) -> int:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            return (await client.get("/v1/documents", params={"offset": offset})).status_code

    assert asyncio.run(asked(MOST_SKIPPED + 1)) == 422
    assert asyncio.run(asked(10**30)) == 422


def test_an_agent_is_told_the_same() -> None:
    with pytest.raises(ValidationError):
        ListArguments(offset=10**30)
