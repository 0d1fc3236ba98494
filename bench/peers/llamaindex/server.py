"""A LlamaIndex query engine behind FastAPI."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from llama_index.core import PromptTemplate, VectorStoreIndex
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.response_synthesizers import get_response_synthesizer
from llama_index.core.schema import TextNode
from llama_index.embeddings.nvidia import NVIDIAEmbedding
from llama_index.llms.nvidia import NVIDIA
from llama_index.postprocessor.nvidia_rerank import NVIDIARerank
from llama_index.vector_stores.qdrant import QdrantVectorStore
from pydantic import BaseModel
from qdrant_client import AsyncQdrantClient, QdrantClient

from bench.peers import work

embedding = NVIDIAEmbedding(
    model=work.EMBEDDING, base_url=work.MODELS_URL, api_key="none", embed_batch_size=work.BATCH
)
store = QdrantVectorStore(
    collection_name="llamaindex",
    client=QdrantClient(url=work.QDRANT_URL, check_compatibility=False),
    aclient=AsyncQdrantClient(url=work.QDRANT_URL, check_compatibility=False),
)
index = VectorStoreIndex.from_vector_store(store, embed_model=embedding)
llm = NVIDIA(
    model=work.LLM,
    base_url=work.MODELS_URL,
    api_key="none",
    max_tokens=work.MAX_TOKENS,
    is_chat_model=True,
    context_window=32768,
)
template = PromptTemplate(f"{work.SYSTEM}\n\n{{context_str}}\n\nQuestion: {{query_str}}")


def engine(*, streaming: bool) -> RetrieverQueryEngine:
    ranker = NVIDIARerank(
        model=work.RANKING, base_url=work.MODELS_URL, api_key="none", top_n=work.ANSWER
    )
    synthesizer = get_response_synthesizer(
        llm=llm,
        text_qa_template=template,
        response_mode="compact",
        use_async=True,
        streaming=streaming,
    )
    return RetrieverQueryEngine(
        retriever=index.as_retriever(similarity_top_k=work.RETRIEVE),
        response_synthesizer=synthesizer,
        node_postprocessors=[ranker],
    )


whole, streamed = engine(streaming=False), engine(streaming=True)


class Question(BaseModel):
    question: str
    stream: bool = False


class Delta(BaseModel):
    delta: str


app = FastAPI()


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    return {"status": "ok"}


async def events(answer: Any) -> AsyncIterator[str]:
    async for delta in answer.async_response_gen():
        if delta:
            yield f"data: {Delta(delta=delta).model_dump_json()}\n\n"
    yield "data: [DONE]\n\n"


@app.post("/query", response_model=None)
async def query(asked: Question) -> dict[str, str] | StreamingResponse:
    if asked.stream:
        answer = await streamed.aquery(asked.question)
        return StreamingResponse(events(answer), media_type="text/event-stream")
    return {"answer": str(await whole.aquery(asked.question))}


@app.post("/ingest")
async def ingest(request: Request) -> dict[str, int]:
    texts = (await request.body()).decode().split("\f")
    gate = asyncio.Semaphore(work.IN_FLIGHT)

    async def one(batch: list[str]) -> None:
        async with gate:
            vectors = await embedding.aget_text_embedding_batch(batch)
            nodes = [
                TextNode(text=text, embedding=vector, metadata={"document": "upload.txt"})
                for text, vector in zip(batch, vectors, strict=True)
            ]
            await store.async_add(nodes)

    batches = [texts[at : at + work.BATCH] for at in range(0, len(texts), work.BATCH)]
    await asyncio.gather(*map(one, batches))
    return {"chunks": len(texts)}


if __name__ == "__main__":
    uvicorn.run(app, port=work.PORT, log_level="warning", access_log=False)
