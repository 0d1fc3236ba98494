"""Our settings in the words of the pipelines."""

from pathlib import Path

from app.generations import EmbeddingModel
from app.secrets import haystack_secret
from app.settings import Settings
from pipelines.convert import Limits
from pipelines.settings import Endpoint, IndexingSettings, QuerySettings, StoreSettings
from pipelines.site import Site


def store_settings(
    settings: Settings, model: EmbeddingModel, *, reading: bool = False
) -> StoreSettings:
    """Return where the vectors are; `reading`: with the key that cannot change them."""
    file = settings.qdrant_reading_key_file if reading else settings.qdrant_api_key_file
    return StoreSettings(
        url=settings.qdrant_url,
        api_key=haystack_secret(file),
        shards=settings.qdrant_shards,
        copies=settings.qdrant_copies,
        dimension=model.dimension,
    )


def indexing_settings(model: EmbeddingModel) -> IndexingSettings:
    return IndexingSettings(embedding=embedding_endpoint(model))


def reading_limits(settings: Settings, *, ocr: bool) -> Limits:
    return Limits(
        ocr=ocr,
        pages=settings.max_document_pages,
        seconds=settings.conversion_seconds,
        memory=settings.conversion_mb * 2**20,
        characters=settings.max_document_characters,
        unpacked=settings.max_unpacked_mb * 2**20,
        ratio=settings.max_unpacked_ratio,
        files=settings.max_archive_files,
        depth=settings.max_archive_depth,
    )


def query_settings(settings: Settings, model: EmbeddingModel, site: Site) -> QuerySettings:
    return QuerySettings(
        embedding=embedding_endpoint(model),
        ranking=_endpoint(
            settings.ranking_url, settings.ranking_model, settings.ranking_api_key_file
        ),
        llm=_endpoint(settings.llm_url, settings.llm_model, settings.llm_api_key_file),
        engine=settings.engine,
        template=site.template,
    )


def embedding_endpoint(model: EmbeddingModel) -> Endpoint:
    return _endpoint(model.url, model.name, model.api_key_file)


def _endpoint(url: str, model: str, key_file: Path | None) -> Endpoint:
    return Endpoint(url=url, model=model, api_key=haystack_secret(key_file))
