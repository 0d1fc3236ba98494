"""The parts of a query pipeline: our own on one session, or the integrations' as they are."""

from collections.abc import Callable
from dataclasses import dataclass

from haystack import Pipeline
from haystack.core.component import Component
from haystack_integrations.document_stores.qdrant import QdrantDocumentStore

from pipelines.components.nim_chat_generator import NimChatGenerator
from pipelines.components.nim_ranker import NimRanker
from pipelines.components.nim_text_embedder import NimTextEmbedder
from pipelines.components.prompt_builder import CompiledPromptBuilder
from pipelines.components.qdrant_retriever import QdrantRetriever
from pipelines.fast_pipeline import FastPipeline
from pipelines.fencing import guarded
from pipelines.settings import Engine, QuerySettings


@dataclass(frozen=True, kw_only=True)
class Parts:
    """A pipeline and the components that differ by engine; each is made when it is asked for."""

    pipeline: Callable[[], Pipeline]
    embedder: Callable[[], Component]
    retriever: Callable[[], Component]
    ranker: Callable[[], Component]
    prompt: Callable[[], Component]
    llm: Callable[[], Component]


def parts(store: QdrantDocumentStore, settings: QuerySettings) -> Parts:
    """Return the parts of the engine that the settings name."""
    return ENGINES[settings.engine](store, settings)


def _fast(store: QdrantDocumentStore, settings: QuerySettings) -> Parts:
    embedding, ranking, llm = settings.embedding, settings.ranking, settings.llm
    url, attempts = store.url, settings.attempts
    if url is None:
        msg = "engine is 'fast' and the store is in memory: expected 'stock', or a store with a URL"
        raise ValueError(msg)
    return Parts(
        pipeline=FastPipeline,
        embedder=lambda: NimTextEmbedder(
            model=embedding.model,
            api_url=embedding.url,
            api_key=embedding.api_key,
            timeout=embedding.timeout,
            attempts=attempts,
        ),
        retriever=lambda: QdrantRetriever(
            url=url,
            collection=store.index,
            api_key=store.api_key,
            timeout=float(store.timeout or 30),
            attempts=attempts,
            top_k=settings.retrieve_top_k,
        ),
        ranker=lambda: NimRanker(
            model=ranking.model,
            api_url=ranking.url,
            api_key=ranking.api_key,
            timeout=ranking.timeout,
            top_k=settings.answer_top_k,
            attempts=attempts,
        ),
        prompt=lambda: CompiledPromptBuilder(template=guarded(settings.template)),
        llm=lambda: NimChatGenerator(
            model=llm.model,
            api_url=llm.url,
            api_key=llm.api_key,
            timeout=llm.timeout,
            attempts=attempts,
            max_tokens=settings.max_tokens,
            temperature=settings.temperature,
        ),
    )


def _stock(store: QdrantDocumentStore, settings: QuerySettings) -> Parts:
    # Imported late: the clients behind these take 25 MB that the fast engine has no use for.
    from haystack.components.builders import ChatPromptBuilder

    from pipelines.components.chat_generator import AnswerGenerator
    from pipelines.components.query_embedder import QueryEmbedder
    from pipelines.components.ranker import PassageRanker
    from pipelines.components.retriever import PassageRetriever

    embedding, ranking, llm = settings.embedding, settings.ranking, settings.llm
    return Parts(
        pipeline=Pipeline,
        embedder=lambda: QueryEmbedder(
            model=embedding.model,
            api_url=embedding.url,
            api_key=embedding.api_key,
            timeout=embedding.timeout,
            attempts=settings.attempts,
        ),
        retriever=lambda: PassageRetriever(store, top_k=settings.retrieve_top_k),
        ranker=lambda: PassageRanker(
            model=ranking.model,
            api_url=ranking.url,
            api_key=ranking.api_key,
            timeout=ranking.timeout,
            top_k=settings.answer_top_k,
            attempts=settings.attempts,
        ),
        prompt=lambda: ChatPromptBuilder(template=guarded(settings.template)),
        llm=lambda: AnswerGenerator(
            model=llm.model,
            api_url=llm.url,
            api_key=llm.api_key,
            timeout=llm.timeout,
            max_tokens=settings.max_tokens,
            temperature=settings.temperature,
        ),
    )


ENGINES: dict[Engine, Callable[[QdrantDocumentStore, QuerySettings], Parts]] = {
    "fast": _fast,
    "stock": _stock,
}
