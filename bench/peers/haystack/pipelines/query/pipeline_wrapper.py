"""Embed, retrieve, rank, prompt, chat with the components of nvidia- and qdrant-haystack."""

from collections.abc import AsyncGenerator
from typing import Any

from hayhooks import BasePipelineWrapper, async_streaming_generator, get_last_user_message  # type: ignore[import-untyped]
from haystack import Pipeline
from haystack.components.builders import ChatPromptBuilder
from haystack.dataclasses import ChatMessage
from haystack.utils import Secret
from haystack_integrations.components.embedders.nvidia import NvidiaTextEmbedder
from haystack_integrations.components.generators.nvidia import NvidiaChatGenerator
from haystack_integrations.components.rankers.nvidia import NvidiaRanker
from haystack_integrations.components.retrievers.qdrant import QdrantEmbeddingRetriever
from haystack_integrations.document_stores.qdrant import QdrantDocumentStore

from bench.peers import work

TEMPLATE = [
    ChatMessage.from_system(work.SYSTEM),
    ChatMessage.from_user(
        "{% for document in documents %}{{ document.content }}\n\n{% endfor %}"
        "Question: {{ question }}"
    ),
]


class PipelineWrapper(BasePipelineWrapper):  # type: ignore[misc]
    def setup(self) -> None:
        key = Secret.from_token("none")
        store = QdrantDocumentStore(
            url=work.QDRANT_URL, index="documents", embedding_dim=work.DIMENSION
        )
        self.pipeline = Pipeline()
        self.pipeline.add_component(
            "embedder", NvidiaTextEmbedder(work.EMBEDDING, api_key=key, api_url=work.MODELS_URL)
        )
        self.pipeline.add_component(
            "retriever", QdrantEmbeddingRetriever(store, top_k=work.RETRIEVE)
        )
        self.pipeline.add_component(
            "ranker",
            NvidiaRanker(work.RANKING, api_key=key, api_url=work.MODELS_URL, top_k=work.ANSWER),
        )
        self.pipeline.add_component("prompt", ChatPromptBuilder(TEMPLATE, required_variables="*"))
        self.pipeline.add_component(
            "llm",
            NvidiaChatGenerator(
                model=work.LLM,
                api_key=key,
                api_base_url=work.MODELS_URL,
                generation_kwargs={"max_tokens": work.MAX_TOKENS},
            ),
        )
        self.pipeline.connect("embedder.embedding", "retriever.query_embedding")
        self.pipeline.connect("retriever.documents", "ranker.documents")
        self.pipeline.connect("ranker.documents", "prompt.documents")
        self.pipeline.connect("prompt.prompt", "llm.messages")

    def inputs(self, question: str) -> dict[str, Any]:
        return {
            "embedder": {"text": question},
            "ranker": {"query": question},
            "prompt": {"question": question},
        }

    async def run_api_async(self, question: str) -> str:
        """Answer a question"""
        done = await self.pipeline.run_async(self.inputs(question))
        return str(done["llm"]["replies"][0].text)

    async def run_chat_completion_async(
        self, model: str, messages: list[dict[str, Any]], body: dict[str, Any]
    ) -> AsyncGenerator[Any, None]:
        inputs = self.inputs(get_last_user_message(messages) or "")
        stream: AsyncGenerator[Any, None] = async_streaming_generator(
            pipeline=self.pipeline, pipeline_run_args=inputs
        )
        return stream
