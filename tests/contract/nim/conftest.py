"""The server under test: ours with all three models, or a real NIM named by the environment.

STACKYARD_NIM_URL=http://host:8000/v1 STACKYARD_NIM_ROLE=llm|embedding|ranking runs the same tests
against a NIM; those of the other roles are skipped.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from local.models.weights import weights_directory

ROLES = ("llm", "embedding", "ranking")
OWN_MODELS = {
    "llm": "stackyard/smollm2-135m-instruct",
    "embedding": "stackyard/all-minilm-l6-v2",
    "ranking": "stackyard/minilm-lexical-ranker",
}
START_SECONDS = 240  # six seconds where nothing else runs


@dataclass(frozen=True, kw_only=True)
class Nim:
    """Where the contract is checked, and the models that are served there."""

    url: str
    models: dict[str, str]
    client: httpx.Client

    def post(self, path: str, body: object) -> httpx.Response:
        return self.client.post(f"{self.url}{path}", json=body)

    def get(self, path: str) -> httpx.Response:
        return self.client.get(f"{self.url}{path}")


@pytest.fixture(scope="session")
def nim() -> Iterator[Nim]:
    with httpx.Client(timeout=60) as client:
        url = os.environ.get("STACKYARD_NIM_URL")
        if url:
            role = os.environ["STACKYARD_NIM_ROLE"]
            model = client.get(f"{url}/models").json()["data"][0]["id"]
            yield Nim(url=url, models={role: model}, client=client)
        else:
            yield from _own_server(client)


def _own_server(client: httpx.Client) -> Iterator[Nim]:
    environment = {
        **os.environ,
        "LOCAL_MODELS_ROLE": "all",
        "LOCAL_MODELS_HOST": "127.0.0.1",
        "LOCAL_MODELS_PORT": "0",
        "LOCAL_MODELS_WEIGHTS": str(weights_directory()),
        "PYTHONUNBUFFERED": "1",
    }
    command = [sys.executable, "-m", "local.models"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            url = next(word for word in line.split() if word.startswith("http")).rstrip(",") + "/v1"
            _wait_until_ready(client, url, process)
            yield Nim(url=url, models=OWN_MODELS, client=client)
        finally:
            process.terminate()


def _wait_until_ready(client: httpx.Client, url: str, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while client.get(f"{url}/health/ready").status_code != 200:
        assert process.poll() is None, "the server ended while loading"
        assert time.monotonic() < deadline, f"not ready after {START_SECONDS} s"
        time.sleep(0.05)


def _model(nim: Nim, role: str) -> str:
    if role not in nim.models:
        pytest.skip(f"this server is not an {role} NIM")
    return nim.models[role]


@pytest.fixture
def llm(nim: Nim) -> str:
    return _model(nim, "llm")


@pytest.fixture
def embedding(nim: Nim) -> str:
    return _model(nim, "embedding")


@pytest.fixture
def ranking(nim: Nim) -> str:
    return _model(nim, "ranking")
