"""The three processes of `serve`: what each is told by its environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stackyard.serving import state

LLM = "stackyard/smollm2-135m-instruct"
EMBEDDING = "stackyard/all-minilm-l6-v2"
RANKING = "stackyard/minilm-lexical-ranker"
DIMENSION = 384
COLLECTION = "documents"
WEIGHT_FILES = ("minilm.onnx", "tokenizer.json", "smollm2.gguf")
NAMES = ("models", "qdrant", "app")


@dataclass(frozen=True)
class Part:
    """One process."""

    name: str
    module: str
    environment: Mapping[str, str]
    health: str


def weights_dir() -> Path:
    return state.folder() / "weights"


def weights_are_there() -> bool:
    return all((weights_dir() / name).is_file() for name in WEIGHT_FILES)


def parts(ports: Mapping[str, int]) -> list[Part]:
    """Return the processes on the given ports of the loopback interface."""
    models, qdrant = f"http://127.0.0.1:{ports['models']}", f"http://127.0.0.1:{ports['qdrant']}"
    return [
        _part(
            "models",
            "local.models",
            f"{models}/v1/health/ready",
            LOCAL_MODELS_ROLE="all",
            LOCAL_MODELS_HOST="127.0.0.1",
            LOCAL_MODELS_PORT=str(ports["models"]),
            LOCAL_MODELS_WEIGHTS=str(weights_dir()),
        ),
        _part(
            "qdrant",
            "local.qdrant",
            f"{qdrant}/readyz",
            QDRANT_EDGE_DIR=str(state.folder() / "data/qdrant"),
            QDRANT_EDGE_HOST="127.0.0.1",
            QDRANT_EDGE_PORT=str(ports["qdrant"]),
            QDRANT_EDGE_API_KEY_FILE=str(state.qdrant_key_file()),
            QDRANT_EDGE_READ_ONLY_API_KEY_FILE=str(state.qdrant_read_key_file()),
        ),
        _part(
            "app",
            "app",
            f"http://127.0.0.1:{ports['app']}/readyz",
            RAG_QDRANT_URL=qdrant,
            RAG_QDRANT_API_KEY_FILE=str(state.qdrant_key_file()),
            RAG_QDRANT_READ_API_KEY_FILE=str(state.qdrant_read_key_file()),
            RAG_COLLECTION=COLLECTION,
            RAG_LLM_URL=f"{models}/v1",
            RAG_LLM_MODEL=LLM,
            RAG_EMBEDDING_URL=f"{models}/v1",
            RAG_EMBEDDING_MODEL=EMBEDDING,
            RAG_EMBEDDING_DIMENSION=str(DIMENSION),
            RAG_RANKING_URL=f"{models}/v1",
            RAG_RANKING_MODEL=RANKING,
            RAG_API_KEYS_FILE=str(state.app_key_file()),
            RAG_DATA_DIR=str(state.folder() / "data/app"),
            RAG_HOST="127.0.0.1",
            RAG_PORT=str(ports["app"]),
        ),
    ]


def _part(name: str, module: str, health: str, **own: str) -> Part:
    # what the shell has set for a part would win over nothing here, and the app refuses strangers
    ours = ("RAG_", "LOCAL_MODELS_", "QDRANT_EDGE_")
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    return Part(name, module, {**inherited, **own}, health)
