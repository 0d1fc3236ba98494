"""Questions in, answers with citations out."""

from collections.abc import Sequence

from haystack import Pipeline
from haystack.core.component import Component
from haystack_integrations.document_stores.qdrant import QdrantDocumentStore

from pipelines.asking import Asking, Searching
from pipelines.calibration import calibration
from pipelines.components.evidence_gate import EvidenceGate
from pipelines.components.several_retriever import SeveralRetriever
from pipelines.engines import parts
from pipelines.settings import QuerySettings

__all__ = ["Asking", "Searching", "build_query_pipeline", "build_search_pipeline"]


def build_query_pipeline(
    store: QdrantDocumentStore,
    settings: QuerySettings,
    beside: Sequence[QdrantDocumentStore] = (),
) -> Pipeline:
    """Return embed, retrieve wide, rank narrow, gate, prompt, generate; nothing is sent yet.

    `beside` are further collections that are asked at once.
    """
    part = parts(store, settings)
    pipeline = build_search_pipeline(store, settings, beside)
    pipeline.add_component(
        "gate",
        EvidenceGate.calibrated(
            calibration(settings.ranking.model),
            min_similarity=settings.min_similarity,
            min_coverage=settings.min_coverage,
            passage_characters=settings.passage_characters,
        ),
    )
    pipeline.add_component("prompt", part.prompt())
    pipeline.add_component("llm", part.llm())

    pipeline.connect("retriever.documents", "gate.retrieved")
    pipeline.connect("ranker.documents", "gate.ranked")
    pipeline.connect("gate.passages", "prompt.passages")
    pipeline.connect("prompt.prompt", "llm.messages")
    return pipeline


def build_search_pipeline(
    store: QdrantDocumentStore,
    settings: QuerySettings,
    beside: Sequence[QdrantDocumentStore] = (),
) -> Pipeline:
    """Return embed, retrieve wide, rank narrow: what works without a language model."""
    part = parts(store, settings)
    pipeline = part.pipeline()
    pipeline.add_component("embedder", part.embedder())
    pipeline.add_component("retriever", _retriever((store, *beside), settings))
    pipeline.add_component("ranker", part.ranker())

    pipeline.connect("embedder.embedding", "retriever.query_embedding")
    pipeline.connect("retriever.documents", "ranker.documents")
    return pipeline


def _retriever(stores: Sequence[QdrantDocumentStore], settings: QuerySettings) -> Component:
    each = {store.index: parts(store, settings).retriever() for store in stores}
    if len(each) == 1:
        return each[stores[0].index]
    return SeveralRetriever(each, settings.retrieve_top_k)
