"""A migrated pipeline of 2024 loads under Haystack's own rules and answers, over real HTTP."""

from pathlib import Path

import pytest
import yaml
from haystack import Document, Pipeline
from haystack.document_stores.types import DuplicatePolicy
from haystack_integrations.document_stores.qdrant import QdrantDocumentStore

from stackyard.migration import migrate
from tests.app.fake_qdrant import FakeQdrant
from tests.fakes.nim import FakeNim, embed

SEED = Path(__file__).parents[2] / "examples" / "rag-2024.yaml"
FACT = "The capital of Freedonia is Marxville."
QUESTION = "What is the capital of Freedonia?"


def test_it_answers_from_a_nim_and_a_qdrant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NVIDIA_API_KEY", "a-key")
    with FakeNim(dimension=1024, api_key="a-key") as nim, FakeQdrant() as qdrant:
        store = QdrantDocumentStore(
            url=qdrant.url,
            index="Document",
            embedding_dim=1024,
            progress_bar=False,
            client_kwargs={"check_compatibility": False},
        )
        fact = Document(content=FACT, embedding=embed(FACT, 1024))
        store.write_documents([fact], policy=DuplicatePolicy.OVERWRITE)
        old = yaml.safe_load(SEED.read_text())
        old["components"]["retriever"]["init_parameters"]["document_store"]["init_parameters"][
            "client_kwargs"
        ] = {"check_compatibility": False}

        new = migrate(old, models_url=nim.url, qdrant_url=qdrant.url).pipeline
        for key in ("inputs", "outputs"):  # Hayhooks' own, which it takes out before it loads
            del new[key]
        pipeline = Pipeline.loads(yaml.safe_dump(new))
        said = pipeline.run({"embedder": {"text": QUESTION}, "prompt": {"query": QUESTION}})
        store.close()
        pipeline.close()

    assert said["generator"]["replies"][0].text == FACT
    (asked,) = nim.posts("/chat/completions")
    assert (asked.body["max_tokens"], asked.body["bad"]) == (1024, ["tedious"])
