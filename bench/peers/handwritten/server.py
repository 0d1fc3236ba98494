"""The chain by hand: FastAPI, aiohttp and orjson, and nothing between them."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel

from bench.peers import work


class Question(BaseModel):
    question: str
    stream: bool = False


class Chain:
    """Embed, search, rank, prompt, chat over one session."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session

    async def post(self, url: str, body: dict[str, Any]) -> Any:
        headers = {"content-type": "application/json"}
        async with self.session.post(url, data=orjson.dumps(body), headers=headers) as response:
            response.raise_for_status()
            return orjson.loads(await response.read())

    async def prompt(self, question: str) -> dict[str, Any]:
        """Return the body of the chat request."""
        asked = {"model": work.EMBEDDING, "input": [question], "input_type": "query"}
        embedded = await self.post(f"{work.MODELS_URL}/embeddings", asked)
        search = {
            "query": embedded["data"][0]["embedding"],
            "limit": work.RETRIEVE,
            "with_payload": True,
        }
        found = await self.post(f"{work.QDRANT_URL}/collections/documents/points/query", search)
        texts = [point["payload"]["content"] for point in found["result"]["points"]]
        passages = [{"text": text} for text in texts]
        rank = {"model": work.RANKING, "query": {"text": question}, "passages": passages}
        ranked = await self.post(f"{work.MODELS_URL}/ranking", rank)
        best = [texts[each["index"]] for each in ranked["rankings"][: work.ANSWER]]
        user = work.PROMPT.format(passages="\n\n".join(best), question=question)
        messages = [{"role": "system", "content": work.SYSTEM}, {"role": "user", "content": user}]
        return {"model": work.LLM, "messages": messages, "max_tokens": work.MAX_TOKENS}

    async def answer(self, question: str) -> str:
        body = await self.prompt(question)
        said = await self.post(f"{work.MODELS_URL}/chat/completions", body)
        return str(said["choices"][0]["message"]["content"])

    async def stream(self, question: str) -> AsyncIterator[bytes]:
        """Yield one event a token."""
        body = await self.prompt(question) | {"stream": True}
        url = f"{work.MODELS_URL}/chat/completions"
        headers = {"content-type": "application/json"}
        async with self.session.post(url, data=orjson.dumps(body), headers=headers) as response:
            response.raise_for_status()
            async for line in response.content:
                if line.startswith(b"data: {"):
                    choices = orjson.loads(line[6:])["choices"]
                    delta = choices[0]["delta"].get("content") if choices else None
                    if delta:
                        yield b"data: %s\n\n" % orjson.dumps({"delta": delta})
        yield b"data: [DONE]\n\n"

    async def ingest(self, texts: list[str]) -> int:
        """Embed and write chunks, IN_FLIGHT batches at a time."""
        gate = asyncio.Semaphore(work.IN_FLIGHT)

        async def one(batch: list[str]) -> None:
            async with gate:
                asked = {"model": work.EMBEDDING, "input": batch, "input_type": "passage"}
                embedded = await self.post(f"{work.MODELS_URL}/embeddings", asked)
                points = [
                    {
                        "id": str(uuid.uuid4()),
                        "vector": entry["embedding"],
                        "payload": {"content": text, "meta": {"document": "upload.txt"}},
                    }
                    for text, entry in zip(batch, embedded["data"], strict=True)
                ]
                url = f"{work.QDRANT_URL}/collections/documents/points?wait=true"
                headers = {"content-type": "application/json"}
                data = orjson.dumps({"points": points})
                async with self.session.put(url, data=data, headers=headers) as response:
                    response.raise_for_status()
                    await response.read()

        batches = [texts[at : at + work.BATCH] for at in range(0, len(texts), work.BATCH)]
        await asyncio.gather(*map(one, batches))
        return len(texts)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        app.state.chain = Chain(session)
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/query")
async def query(asked: Question, request: Request) -> Response:
    chain: Chain = request.app.state.chain
    if asked.stream:
        return StreamingResponse(chain.stream(asked.question), media_type="text/event-stream")
    data = orjson.dumps({"answer": await chain.answer(asked.question)})
    return Response(data, media_type="application/json")


@app.post("/ingest")
async def ingest(request: Request) -> dict[str, int]:
    chain: Chain = request.app.state.chain
    texts = (await request.body()).decode().split("\f")
    return {"chunks": await chain.ingest(texts)}


if __name__ == "__main__":
    uvicorn.run(app, port=work.PORT, log_level="warning", access_log=False)
