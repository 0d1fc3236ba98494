"""Refuse to start where the embedding model and the stored vectors are of different sizes."""

import logging
from collections.abc import Iterable

import httpx

from app.secrets import read_secret
from app.settings import Settings, SettingsProblem

log = logging.getLogger("app.dimension")
SECONDS = 2.0


def check_dimension(settings: Settings, collections: Iterable[str]) -> None:
    """Raise SettingsProblem with both sizes; what cannot be asked now is checked when opened."""
    key = read_secret(settings.qdrant_api_key_file)
    with httpx.Client(headers={"api-key": key} if key else {}, timeout=SECONDS) as client:
        for collection in sorted({settings.collection, *collections}):
            try:
                held = _held(client.get(f"{settings.qdrant_url}/collections/{collection}"))
            except (httpx.HTTPError, ValueError) as error:
                log.info("not checked", extra={"why": type(error).__name__})
                return
            if held is not None and held != settings.embedding_dimension:
                message = (
                    f"RAG_EMBEDDING_DIMENSION is {settings.embedding_dimension}"
                    f" (RAG_EMBEDDING_MODEL is {settings.embedding_model!r}), and collection"
                    f" {collection!r} holds vectors of {held} numbers"
                    "\nhint: go back to the model that it was made with, or set RAG_COLLECTION"
                    " to a new name and ingest the documents again"
                )
                raise SettingsProblem(message)


def _held(response: httpx.Response) -> int | None:
    """Return the size of the stored vectors; None where there is no such collection yet."""
    if response.status_code != 200:
        return None
    try:
        size = response.json()["result"]["config"]["params"]["vectors"]["size"]
    except (KeyError, TypeError):
        return None
    return int(size)
