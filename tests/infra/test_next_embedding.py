"""The embedding model to change to, as a stack names it."""

import pulumi
import pytest

from tests.infra.conftest import Deploy

NEXT = {"url": "https://models.internal/v1", "model": "new", "dimension": 64}


def test_the_app_is_told_the_next_model_and_its_key(deploy: Deploy) -> None:
    found = deploy({"models": {"nextEmbedding": NEXT}}, secrets={"nextEmbeddingApiKey": "k"})

    (container,) = found.pods["rag"]["containers"]
    environment = {each["name"]: each["value"] for each in container["env"]}
    assert {key: value for key, value in environment.items() if "NEXT" in key} == {
        "RAG_NEXT_EMBEDDING_URL": "https://models.internal/v1",
        "RAG_NEXT_EMBEDDING_MODEL": "new",
        "RAG_NEXT_EMBEDDING_DIMENSION": "64",
        "RAG_NEXT_EMBEDDING_API_KEY_FILE": "/etc/rag/next_embedding-api-key",
    }


def test_a_next_model_below_no_v1_is_told(deploy: Deploy) -> None:
    with pytest.raises(
        pulumi.RunError, match=r"nextEmbedding.url: is 'https://x/api'; it must end"
    ):
        deploy({"models": {"nextEmbedding": NEXT | {"url": "https://x/api"}}})
