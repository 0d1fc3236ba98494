"""A model service that serves something else than the stack says is found, and told once it is."""

import asyncio
import logging

import httpx
import pytest

from app.readiness import Backend, Readiness
from app.served import confirm_dimension
from app.settings import load_settings
from tests.app.test_settings import put
from tests.fakes.nim import FakeNim

PATHS = ("/health/ready", "/models")


def readiness(nim: FakeNim, monkeypatch: pytest.MonkeyPatch, dimension: str) -> Readiness:
    put(
        monkeypatch,
        RAG_EMBEDDING_URL=nim.url,
        RAG_EMBEDDING_DIMENSION=dimension,
        RAG_EMBEDDING_MODEL="another",
    )
    confirm = confirm_dimension(load_settings())
    return Readiness([Backend("embedding", nim.url, PATHS, {}, confirm)])


async def asked(ready: Readiness, times: int = 1) -> list[dict[str, str]]:
    missing: list[dict[str, str]] = []
    for _ in range(times):
        ready._until = 0.0  # as if the moment for which an answer is kept were over
        missing = await ready.missing()
    await ready.close()
    return missing


def test_another_dimension_is_not_ready_and_told_with_both_sizes(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with FakeNim(dimension=384) as nim:
        (missing,) = asyncio.run(asked(readiness(nim, monkeypatch, "1024")))

    assert missing["name"] == "embedding"
    assert "serves vectors of 384 numbers, and RAG_EMBEDDING_DIMENSION is 1024" in missing["reason"]
    assert "set models.embedding.dimension to 384" in missing["reason"]
    assert [each.levelno for each in caplog.records if each.name == "app.readiness"] == [
        logging.ERROR
    ]


def test_the_right_dimension_is_measured_once_and_a_model_that_is_not_listed_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with FakeNim(dimension=384) as nim:
        missing = asyncio.run(asked(readiness(nim, monkeypatch, "384"), times=3))
        paths = [each.path for each in nim.requests]

    assert missing == []
    assert paths.count("/v1/embeddings") == 1
    (warning,) = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert warning.__dict__["model"] == "another"


def test_a_service_that_is_too_busy_to_measure_is_ready_and_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with FakeNim(dimension=384) as nim:
        ready = readiness(nim, monkeypatch, "1024")

        async def slow(_client: httpx.AsyncClient, _headers: dict[str, str]) -> str | None:
            message = "busy"
            raise httpx.ReadTimeout(message)

        real = ready._backends[0]
        ready._backends[0] = Backend("embedding", nim.url, PATHS, {}, slow)

        async def twice() -> tuple[list[dict[str, str]], list[dict[str, str]]]:
            first = await ready.missing()
            ready._backends[0] = real
            return first, await asked(ready)

        busy, later = asyncio.run(twice())

    assert busy == []
    assert len(later) == 1
