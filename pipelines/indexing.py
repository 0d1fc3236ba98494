"""Documents in: pages to chunks to vectors to the store, and out again."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from haystack import Document, Pipeline
from haystack.components.writers import DocumentWriter
from haystack.core.errors import PipelineRuntimeError
from haystack.document_stores.types import DuplicatePolicy
from haystack_integrations.document_stores.qdrant import QdrantDocumentStore

from pipelines.components.document_embedder import PassageEmbedder
from pipelines.components.splitter import PageSplitter
from pipelines.errors import Stage, stage_error
from pipelines.reading.page import Page
from pipelines.settings import IndexingSettings

# Haystack copies every input of every component, and a job wants to show its progress.
PAGES_PER_SLICE = 32

RESERVED = frozenset(("document", "document_id", "page", "span", "revision"))

STAGES: dict[str, Stage] = {"embedder": "embedding", "writer": "retrieval"}


def build_indexing_pipeline(store: QdrantDocumentStore, settings: IndexingSettings) -> Pipeline:
    """Return splitter, embedder and writer; nothing is sent before it runs."""
    embedding = settings.embedding
    pipeline = Pipeline()
    pipeline.add_component(
        "splitter", PageSplitter(words=settings.chunk_words, overlap=settings.overlap_words)
    )
    pipeline.add_component(
        "embedder",
        PassageEmbedder(
            model=embedding.model,
            api_url=embedding.url,
            api_key=embedding.api_key,
            timeout=embedding.timeout,
            batch_size=settings.batch_size,
            concurrent_batches=settings.concurrent_batches,
            attempts=settings.attempts,
        ),
    )
    pipeline.add_component("writer", DocumentWriter(store, policy=DuplicatePolicy.OVERWRITE))

    pipeline.connect("splitter.documents", "embedder.documents")
    pipeline.connect("embedder.documents", "writer.documents")
    return pipeline


def index_document(
    pipeline: Pipeline,
    store: QdrantDocumentStore,
    document_id: str,
    name: str,
    pages: Sequence[Page],
    *,
    metadata: Mapping[str, str | int | float | bool] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> int:
    """Index the pages and return the number of chunks; whatever the document held before is gone.

    Chunks keep their ids, so a run that was cut off is repaired by the next. `on_progress` gets
    the pages done and the pages in all. Blocks: call it from a thread, once per document at a time.
    """
    if taken := RESERVED & set(metadata or {}):
        msg = f"metadata has {sorted(taken)}: these names are taken"
        raise ValueError(msg)
    # Every chunk of this run carries it; what carries another is left over from a former run.
    revision = uuid.uuid4().hex
    common = {**(metadata or {}), "document_id": document_id, "document": name}
    chunks = 0
    for start in range(0, len(pages), PAGES_PER_SLICE):
        part = pages[start : start + PAGES_PER_SLICE]
        documents = [
            Document(content=page.text, meta={**common, "page": page.number, "revision": revision})
            for page in part
            if page.text.strip()
        ]
        chunks += _run(pipeline, documents) if documents else 0
        if on_progress:
            on_progress(start + len(part), len(pages))
    stale = {"field": "meta.revision", "operator": "!=", "value": revision}
    _delete(store, {"operator": "AND", "conditions": [_of(document_id), stale]})
    return chunks


def delete_document(store: QdrantDocumentStore, document_id: str) -> int:
    """Delete every chunk of a document and return how many there were."""
    return _delete(store, _of(document_id))


def _of(document_id: str) -> dict[str, Any]:
    # An empty value would be a filter that matches other documents.
    if not document_id:
        msg = "document_id is empty"
        raise ValueError(msg)
    return {"field": "meta.document_id", "operator": "==", "value": document_id}


def _run(pipeline: Pipeline, documents: list[Document]) -> int:
    try:
        done = pipeline.run({"splitter": {"pages": documents}})
    except PipelineRuntimeError as error:
        stage = STAGES.get(error.component_name or "")
        raise (stage and stage_error(stage, error.__cause__ or error)) or error from error
    written: int = done["writer"]["documents_written"]
    return written


def _delete(store: QdrantDocumentStore, filters: dict[str, Any]) -> int:
    try:
        return store.delete_by_filter(filters)
    except Exception as error:
        raise stage_error("retrieval", error) or error from error
