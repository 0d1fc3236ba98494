"""The unmodified components of nvidia-haystack, as the pipelines use them."""

import numpy as np
import pytest
from haystack.dataclasses import ChatMessage, Document, StreamingChunk
from haystack.utils import Secret
from haystack_integrations.components.embedders.nvidia import (
    NvidiaDocumentEmbedder,
    NvidiaTextEmbedder,
)
from haystack_integrations.components.generators.nvidia import NvidiaChatGenerator
from haystack_integrations.components.rankers.nvidia import NvidiaRanker

from tests.contract.nim.conftest import Nim

pytestmark = pytest.mark.integration
TEXTS = ["The pump's guarantee ends after 24 months.", "Bees make honey.", "Steel is an alloy."]
QUESTION = "How long is the guarantee of the pump?"


def test_documents_and_questions_are_embedded(nim: Nim, embedding: str) -> None:
    documents = NvidiaDocumentEmbedder(
        model=embedding, api_url=nim.url, api_key=None, truncate="END", progress_bar=False
    )
    question = NvidiaTextEmbedder(model=embedding, api_url=nim.url, api_key=None, truncate="END")

    embedded = documents.run([Document(content=text) for text in TEXTS])["documents"]
    vector = question.run(QUESTION)["embedding"]

    vectors = np.array([item.embedding for item in embedded if isinstance(item, Document)])
    assert int(np.argmax(vectors @ np.array(vector))) == 0


def test_documents_are_ranked(nim: Nim, ranking: str) -> None:
    ranker = NvidiaRanker(model=ranking, api_url=nim.url, api_key=None, top_k=2, truncate="END")

    ranked = ranker.run(QUESTION, [Document(content=text) for text in reversed(TEXTS)])

    assert len(ranked["documents"]) == 2
    assert ranked["documents"][0].content == TEXTS[0]
    scores = [document.score or 0.0 for document in ranked["documents"]]
    assert scores == sorted(scores, reverse=True)


def test_a_chat_is_answered(nim: Nim, llm: str) -> None:
    chat = NvidiaChatGenerator(
        model=llm,
        api_base_url=nim.url,
        api_key=Secret.from_token("unused"),
        generation_kwargs={"temperature": 0, "max_tokens": 40},
    )

    reply = chat.run([ChatMessage.from_user(f"Context: {TEXTS[0]}\n{QUESTION}")])["replies"][0]

    assert "24" in (reply.text or "")
    assert reply.meta["finish_reason"] == "stop"
    assert reply.meta["usage"]["completion_tokens"] > 0


def test_a_chat_is_streamed(nim: Nim, llm: str) -> None:
    pieces: list[StreamingChunk] = []
    chat = NvidiaChatGenerator(
        model=llm,
        api_base_url=nim.url,
        api_key=Secret.from_token("unused"),
        streaming_callback=pieces.append,
        generation_kwargs={
            "temperature": 0,
            "max_tokens": 40,
            "stream_options": {"include_usage": True},
        },
    )

    reply = chat.run([ChatMessage.from_user(f"Context: {TEXTS[0]}\n{QUESTION}")])["replies"][0]

    assert len(pieces) > 4
    assert "".join(piece.content for piece in pieces) == reply.text
    assert "24" in (reply.text or "")
    assert reply.meta["usage"]["completion_tokens"] > 0
