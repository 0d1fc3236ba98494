"""The builders: what they send (nothing), and that their pipelines survive YAML."""

import os
from collections.abc import Callable
from typing import Any

import pytest
from haystack import Pipeline
from haystack.utils import Secret

from pipelines.document_store import build_document_store, prepare_document_store
from pipelines.errors import StageError
from pipelines.follow_up import Turn, stand_alone
from pipelines.indexing import build_indexing_pipeline
from pipelines.query import build_query_pipeline
from pipelines.settings import Endpoint, IndexingSettings, QuerySettings, StoreSettings

# Nothing listens on port 1: a builder that sends anything fails.
NOWHERE = "http://127.0.0.1:1"
KEY = Secret.from_env_var("RAG_TEST_KEY", strict=False)


def query_pipeline(key: Secret | None = KEY) -> Pipeline:
    model = Endpoint(url=f"{NOWHERE}/v1", model="m", api_key=key)
    store = build_document_store(StoreSettings(url=NOWHERE, dimension=8, api_key=key), "documents")
    return build_query_pipeline(store, QuerySettings(embedding=model, ranking=model, llm=model))


def indexing_pipeline() -> Pipeline:
    model = Endpoint(url=f"{NOWHERE}/v1", model="m", api_key=KEY)
    store = StoreSettings(url=NOWHERE, dimension=8, api_key=KEY)
    return build_indexing_pipeline(store, "documents", IndexingSettings(embedding=model))


def sorted_parts(pipeline: Pipeline) -> dict[str, Any]:
    parts = pipeline.to_dict()
    parts["connections"] = sorted(parts["connections"], key=str)
    return parts


@pytest.mark.parametrize("build", [query_pipeline, indexing_pipeline])
def test_a_pipeline_comes_back_from_yaml_as_it_was(build: Callable[[], Pipeline]) -> None:
    pipeline = build()

    again = Pipeline.loads(pipeline.dumps(), allowed_modules=["pipelines.*"])

    assert sorted_parts(again) == sorted_parts(pipeline)


def test_a_key_never_reaches_yaml() -> None:
    pipeline = query_pipeline(Secret.from_token("sk-secret"))

    with pytest.raises(ValueError, match="Cannot serialize token-based secret"):
        pipeline.dumps()


def test_an_endpoint_without_v1_is_refused_with_its_value() -> None:
    with pytest.raises(ValueError, match="'http://llm:8000/': expected to end in /v1"):
        Endpoint(url="http://llm:8000/", model="m")


def test_a_store_that_is_not_there_is_told_after_its_patience() -> None:
    store = build_document_store(StoreSettings(url=NOWHERE, dimension=8), "documents")

    with pytest.raises(StageError) as caught:
        prepare_document_store(store, patience=0.3)

    assert (caught.value.stage, caught.value.kind) == ("retrieval", "unreachable")
    assert str(caught.value) == "retrieval failed: qdrant cannot be reached"


def test_a_question_with_its_own_subject_is_left_alone() -> None:
    history = [Turn(role="user", content="How do I orphan a package?")]

    assert stand_alone("Who elects the project leader?", history) == (
        "Who elects the project leader?"
    )
    assert stand_alone("And who does it?", history) == "How do I orphan a package? And who does it?"
    assert stand_alone("And who does it?", []) == "And who does it?"


def test_telemetry_is_off_in_tests() -> None:
    assert os.environ["HAYSTACK_TELEMETRY_ENABLED"] == "False"
