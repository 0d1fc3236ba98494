"""Embed and write chunks with the components of nvidia- and qdrant-haystack."""

from hayhooks import BasePipelineWrapper  # type: ignore[import-untyped]
from haystack import Document, Pipeline
from haystack.components.writers import DocumentWriter
from haystack.document_stores.types import DuplicatePolicy
from haystack.utils import Secret
from haystack_integrations.components.embedders.nvidia import NvidiaDocumentEmbedder
from haystack_integrations.document_stores.qdrant import QdrantDocumentStore

from bench.peers import work


class PipelineWrapper(BasePipelineWrapper):  # type: ignore[misc]
    def setup(self) -> None:
        store = QdrantDocumentStore(
            url=work.QDRANT_URL, index="documents", embedding_dim=work.DIMENSION
        )
        self.pipeline = Pipeline()
        self.pipeline.add_component(
            "embedder",
            NvidiaDocumentEmbedder(
                work.EMBEDDING,
                api_key=Secret.from_token("none"),
                api_url=work.MODELS_URL,
                batch_size=work.BATCH,
                progress_bar=False,
            ),
        )
        writer = DocumentWriter(store, policy=DuplicatePolicy.OVERWRITE)
        self.pipeline.add_component("writer", writer)
        self.pipeline.connect("embedder.documents", "writer.documents")

    def run_api(self, text: str) -> int:
        """Index the pages of a text"""
        documents = [Document(content=page) for page in text.split("\f")]
        done = self.pipeline.run({"embedder": {"documents": documents}})
        return int(done["writer"]["documents_written"])
