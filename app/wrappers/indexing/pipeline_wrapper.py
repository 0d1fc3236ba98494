"""The indexing pipeline as the worker runs it; its route is not among the served ones."""

from hayhooks import BasePipelineWrapper  # type: ignore[import-untyped]

from app.service import current
from pipelines.convert import Page


class PipelineWrapper(BasePipelineWrapper):  # type: ignore[misc]
    """Translate only; Hayhooks makes one at startup."""

    skip_mcp = True
    skip_a2a = True

    def setup(self) -> None:
        self.index = current().index

    def run_api(self, collection: str, document_id: str, name: str, pages: list[str]) -> int:
        """Write a document's chunks in place of its old ones and return how many there are."""
        read = [Page(number=number, text=text) for number, text in enumerate(pages, start=1)]
        return self.index.index(collection, document_id, name, read)

    def remove(self, collection: str, document_id: str) -> int:
        """Remove a document's chunks and return how many there were."""
        return self.index.remove(collection, document_id)
