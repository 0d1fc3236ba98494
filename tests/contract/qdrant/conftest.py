"""The server under test: one of ours, or the Qdrant that STACKYARD_QDRANT_URL names."""

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from qdrant_client import QdrantClient, models

from tests.local.qdrant.serving import Serving

VECTOR_SIZE = 4


@pytest.fixture(scope="session")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    given = os.environ.get("STACKYARD_QDRANT_URL")
    if given:
        yield given
        return
    directory: Path = tmp_path_factory.mktemp("qdrant")
    serving = Serving(directory)
    serving.start()
    try:
        yield serving.url
    finally:
        serving.stop()


@pytest.fixture(scope="session")
def client(url: str) -> Iterator[QdrantClient]:
    client = QdrantClient(url=url, timeout=30)
    yield client
    client.close()


@pytest.fixture
def collection(client: QdrantClient) -> Iterator[str]:
    """Make an empty collection of small dot-product vectors, so that scores are easy to tell."""
    name = f"contract-{uuid4().hex}"
    client.create_collection(
        name,
        vectors_config=models.VectorParams(size=VECTOR_SIZE, distance=models.Distance.DOT),
    )
    yield name
    client.delete_collection(name)
