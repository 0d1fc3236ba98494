"""The chain in LangChain's expression language, served in LangServe's style by FastAPI."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from langchain_core.documents import Document
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable, RunnableLambda, RunnablePassthrough
from langchain_nvidia_ai_endpoints import ChatNVIDIA, NVIDIAEmbeddings, NVIDIARerank
from langchain_qdrant import QdrantVectorStore
from pydantic import BaseModel
from qdrant_client import QdrantClient

from bench.peers import work

embeddings = NVIDIAEmbeddings(
    model=work.EMBEDDING, base_url=work.MODELS_URL, nvidia_api_key="none", max_batch_size=work.BATCH
)
ranker = NVIDIARerank(
    model=work.RANKING,
    base_url=work.MODELS_URL,
    nvidia_api_key="none",
    top_n=work.ANSWER,
    max_batch_size=work.RETRIEVE,
)
llm = ChatNVIDIA(
    model=work.LLM,
    base_url=work.MODELS_URL,
    nvidia_api_key="none",
    max_completion_tokens=work.MAX_TOKENS,
)
store = QdrantVectorStore(
    QdrantClient(url=work.QDRANT_URL, check_compatibility=False),
    collection_name="langchain",
    embedding=embeddings,
)


async def retrieve(question: str) -> list[Document]:
    """Embed on the event loop and search in a thread: faster than as_retriever(), all in one."""
    vector = await embeddings.aembed_query(question)
    found: list[Document] = await store.asimilarity_search_by_vector(vector, k=work.RETRIEVE)
    return found


async def rank(found: dict[str, Any]) -> str:
    best = await ranker.acompress_documents(found["documents"], found["question"])
    return "\n\n".join(document.page_content for document in best)


prompt = ChatPromptTemplate.from_messages([("system", work.SYSTEM), ("human", work.PROMPT)])
chain: Runnable[str, str] = (
    {"documents": RunnableLambda(retrieve), "question": RunnablePassthrough()}
    | RunnablePassthrough.assign(passages=RunnableLambda(rank))
    | prompt
    | llm
    | StrOutputParser()
)


class Question(BaseModel):
    question: str
    stream: bool = False


class Delta(BaseModel):
    delta: str


app = FastAPI()


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    return {"status": "ok"}


async def events(question: str) -> AsyncIterator[str]:
    async for delta in chain.astream(question):
        if delta:
            yield f"data: {Delta(delta=delta).model_dump_json()}\n\n"
    yield "data: [DONE]\n\n"


@app.post("/query", response_model=None)
async def query(asked: Question) -> dict[str, str] | StreamingResponse:
    if asked.stream:
        return StreamingResponse(events(asked.question), media_type="text/event-stream")
    return {"answer": await chain.ainvoke(asked.question)}


@app.post("/ingest")
async def ingest(request: Request) -> dict[str, int]:
    texts = (await request.body()).decode().split("\f")
    gate = asyncio.Semaphore(work.IN_FLIGHT)

    async def one(batch: list[str]) -> None:
        async with gate:
            metadatas = [{"document": "upload.txt"} for _ in batch]
            await store.aadd_texts(batch, metadatas, batch_size=work.BATCH)

    batches = [texts[at : at + work.BATCH] for at in range(0, len(texts), work.BATCH)]
    await asyncio.gather(*map(one, batches))
    return {"chunks": len(texts)}


if __name__ == "__main__":
    uvicorn.run(app, port=work.PORT, log_level="warning", access_log=False)
