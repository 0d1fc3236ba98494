"""The app's switch between the vectors of two models, against Qdrant's own rules for aliases."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from qdrant_client import QdrantClient, models

from app.generations import Generations, UnknownModel
from app.settings import Settings

NEW = {"next_embedding_model": "new", "next_embedding_dimension": 8}


@pytest.fixture
def name(client: QdrantClient) -> Iterator[str]:
    made = f"contract-{uuid4().hex[:8]}"
    yield made
    for each in client.get_collections().collections:
        if each.name.startswith(made):
            client.delete_collection(each.name)


def generations(url: str, name: str, **more: object) -> Generations:
    here = "http://127.0.0.1:1/v1"
    settings = Settings(
        qdrant_url=url,
        collection=name,
        llm_url=here,
        llm_model="llm",
        embedding_url=here,
        embedding_model="old",
        embedding_dimension=4,
        ranking_url=here,
        ranking_model="ranking",
        anonymous=True,
        **({"next_embedding_url": here, **more} if more else {}),  # type: ignore[arg-type]
    )
    return Generations(settings)


def test_an_alias_says_what_answers_and_is_taken_away_again(
    url: str, client: QdrantClient, name: str
) -> None:
    both = generations(url, name, **NEW)
    beside = both.beside(name)
    assert beside is not None
    for physical, size in ((name, 4), (beside.physical, 8)):
        vectors = models.VectorParams(size=size, distance=models.Distance.COSINE)
        client.create_collection(physical, vectors)

    before = both.live(name).physical
    both.switch([beside])
    after = generations(url, name, **NEW).live(name)
    old = generations(url, name)
    with pytest.raises(UnknownModel, match=name):
        old.live(name)
    old.switch([old.earlier(name)])

    assert (before, after.physical) == (name, beside.physical)
    assert (both.size(name), both.size(beside.physical), both.size("nowhere")) == (4, 8, None)
    assert sorted(both.held(name)) == sorted([name, beside.physical])
    assert old.live(name).physical == generations(url, name).live(name).physical == name
