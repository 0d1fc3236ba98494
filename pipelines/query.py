"""Questions in, answers with citations out."""

from haystack import Pipeline
from haystack.components.builders import ChatPromptBuilder
from haystack_integrations.document_stores.qdrant import QdrantDocumentStore

from pipelines.asking import Asking
from pipelines.components.chat_generator import AnswerGenerator
from pipelines.components.evidence_gate import EvidenceGate
from pipelines.components.query_embedder import QueryEmbedder
from pipelines.components.ranker import PassageRanker
from pipelines.components.retriever import PassageRetriever
from pipelines.prompts import ANSWER_TEMPLATE
from pipelines.settings import QuerySettings

__all__ = ["Asking", "build_query_pipeline"]


def build_query_pipeline(store: QdrantDocumentStore, settings: QuerySettings) -> Pipeline:
    """Return embed, retrieve wide, rank narrow, gate, prompt, generate; nothing is sent yet."""
    embedding, ranking, llm = settings.embedding, settings.ranking, settings.llm
    pipeline = Pipeline()
    pipeline.add_component(
        "embedder",
        QueryEmbedder(
            model=embedding.model,
            api_url=embedding.url,
            api_key=embedding.api_key,
            timeout=embedding.timeout,
            attempts=settings.attempts,
        ),
    )
    pipeline.add_component("retriever", PassageRetriever(store, top_k=settings.retrieve_top_k))
    pipeline.add_component(
        "ranker",
        PassageRanker(
            model=ranking.model,
            api_url=ranking.url,
            api_key=ranking.api_key,
            timeout=ranking.timeout,
            top_k=settings.answer_top_k,
            attempts=settings.attempts,
        ),
    )
    pipeline.add_component(
        "gate",
        EvidenceGate(
            min_similarity=settings.min_similarity,
            min_coverage=settings.min_coverage,
            passage_characters=settings.passage_characters,
        ),
    )
    pipeline.add_component("prompt", ChatPromptBuilder(template=ANSWER_TEMPLATE))
    pipeline.add_component(
        "llm",
        AnswerGenerator(
            model=llm.model,
            api_url=llm.url,
            api_key=llm.api_key,
            timeout=llm.timeout,
            max_tokens=settings.max_tokens,
            temperature=settings.temperature,
        ),
    )

    pipeline.connect("embedder.embedding", "retriever.query_embedding")
    pipeline.connect("retriever.documents", "ranker.documents")
    pipeline.connect("retriever.documents", "gate.retrieved")
    pipeline.connect("ranker.documents", "gate.ranked")
    pipeline.connect("gate.passages", "prompt.passages")
    pipeline.connect("prompt.prompt", "llm.messages")
    return pipeline
