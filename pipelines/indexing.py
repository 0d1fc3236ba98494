"""Documents in: pages to chunks to vectors to the store."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence

from haystack import Pipeline
from haystack.core.errors import PipelineRuntimeError

from pipelines.components.chunk_writer import ChunkWriter
from pipelines.components.document_embedder import PassageEmbedder
from pipelines.components.skip_known import SkipKnown
from pipelines.components.splitter import PageSplitter
from pipelines.errors import StageError
from pipelines.gathering import gathered
from pipelines.passages import PageSlice, PointIds
from pipelines.points import Points
from pipelines.reading.page import Page, UnreadableDocument
from pipelines.settings import IndexingSettings, StoreSettings

# A slice is some hundred chunks: enough for full batches, little enough to show progress.
PAGES_PER_SLICE = 256
CHARACTERS_PER_SLICE = 200_000
# While one is embedded another is written.
SLICES_IN_FLIGHT = 3

RESERVED = frozenset(("document", "document_id", "page", "span", "part", "headings", "readers"))


def build_indexing_pipeline(
    store: StoreSettings, collection: str, settings: IndexingSettings
) -> Pipeline:
    """Return splitter, filter, embedder and writer; nothing is sent before it runs."""
    embedding = settings.embedding
    pipeline = Pipeline()
    pipeline.add_component(
        "splitter",
        PageSplitter(
            words=settings.chunk_words, overlap=settings.overlap_words, model=embedding.model
        ),
    )
    pipeline.add_component("new", SkipKnown())
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
    pipeline.add_component("writer", ChunkWriter(store, collection))

    pipeline.connect("splitter.passages", "new.passages")
    pipeline.connect("new.passages", "embedder.passages")
    pipeline.connect("embedder.passages", "writer.passages")
    return pipeline


async def index_document(
    pipeline: Pipeline,
    points: Points,
    document_id: str,
    name: str,
    pages: Sequence[Page],
    *,
    metadata: Mapping[str, str | int | float | bool] | None = None,
    readers: Sequence[str] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> int:
    """Index the pages and return the number of chunks; whatever the document held before is gone.

    Chunks that are in the store already are not embedded again, so a run that was cut off is
    finished by the next. `on_progress` gets the pages done and the pages in all; what it raises
    ends the run. `readers` are written with the chunks that are new; `Points.set_readers` changes
    the others. Run it once per document at a time; raises StageError, and UnreadableDocument where
    no chunk comes of the pages: then the document holds what it held.
    """
    carried = metadata or {}
    if taken := RESERVED & set(carried):
        msg = f"metadata has {sorted(taken)}: these names are taken"
        raise ValueError(msg)
    known = PointIds(ids=frozenset(await points.ids(document_id)))
    free = asyncio.Semaphore(SLICES_IN_FLIGHT)
    done = 0
    ids: set[str] = set()

    async def index(part: Sequence[Page]) -> None:
        nonlocal done
        async with free:
            pages_in = PageSlice(
                document_id=document_id, name=name, pages=part, metadata=carried, readers=readers
            )
            ids.update((await _run(pipeline, pages_in, known)).ids)
        done += len(part)
        if on_progress:
            on_progress(done, len(pages))

    await gathered(index(part) for part in _slices(pages))
    if not ids:
        raise UnreadableDocument(kind="no-text", reason="its text holds nothing to be found by")
    await points.delete(sorted(known.ids - ids))
    return len(ids)


def _slices(pages: Sequence[Page]) -> Iterator[Sequence[Page]]:
    first = characters = 0
    for index, page in enumerate(pages):
        characters += len(page.text)
        if index + 1 - first >= PAGES_PER_SLICE or characters >= CHARACTERS_PER_SLICE:
            yield pages[first : index + 1]
            first, characters = index + 1, 0
    if first < len(pages):
        yield pages[first:]


async def _run(pipeline: Pipeline, pages: PageSlice, known: PointIds) -> PointIds:
    try:
        done = await pipeline.run_async({"splitter": {"pages": pages}, "new": {"known": known}})
    except PipelineRuntimeError as error:
        if isinstance(error.__cause__, StageError):
            raise error.__cause__ from error
        raise
    ids: PointIds = done["new"]["ids"]
    return ids
