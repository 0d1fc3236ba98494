"""Model roles behind a URL outside: NVIDIA's API, or any that speaks OpenAI's routes."""

import pulumi

from infra.models.endpoint import ModelEndpoint
from infra.schema import NVIDIA_RETRIEVAL_URL, NVIDIA_URL, EmbeddingSettings, ModelSettings
from infra.schema.models import NextEmbeddingSettings, OcrSettings, is_nvidia
from infra.settings import Secrets

MODELS = {
    "llm": "meta/llama-3.1-8b-instruct",
    "embedding": "nvidia/llama-nemotron-embed-1b-v2",
    "ranking": "nvidia/llama-nemotron-rerank-1b-v2",
}
DIMENSION = 2048
URLS = {"llm": NVIDIA_URL, "embedding": NVIDIA_URL, "ranking": NVIDIA_RETRIEVAL_URL}


def hosted_model(role: str, settings: ModelSettings, secrets: Secrets) -> ModelEndpoint:
    """Return a role's endpoint outside."""
    url = (settings.url or URLS[role]).rstrip("/")
    dimension = settings.dimension if isinstance(settings, EmbeddingSettings) else None
    return ModelEndpoint(
        role=role,
        url=url,
        model=settings.model or MODELS[role],
        dimension=(dimension or DIMENSION) if role == "embedding" else None,
        api_key=_key(role, url, secrets),
        hosted=True,
    )


def next_embedding(settings: NextEmbeddingSettings, secrets: Secrets) -> ModelEndpoint:
    """Return the endpoint of the embedding model to change to."""
    url = settings.url.rstrip("/")
    nvidia = secrets.get("nvidiaApiKey") if is_nvidia(url) else None
    return ModelEndpoint(
        role="next_embedding",
        url=url,
        model=settings.model,
        dimension=settings.dimension,
        api_key=secrets.get("nextEmbeddingApiKey") or nvidia,
        hosted=True,
    )


def ocr(settings: OcrSettings, secrets: Secrets) -> ModelEndpoint:
    """Return the endpoint of what reads pictures of pages."""
    url = settings.url.rstrip("/")
    nvidia = secrets.get("nvidiaApiKey") if is_nvidia(url) else None
    key = secrets.get("ocrApiKey") or nvidia
    return ModelEndpoint(role="ocr", url=url, api_key=key, hosted=True)


def _key(role: str, url: str, secrets: Secrets) -> pulumi.Output[str] | None:
    """Return the role's key; NVIDIA's never goes to another host."""
    if not is_nvidia(url):
        return secrets.get(f"{role}ApiKey")
    seed = secrets.get("NVIDIA_EMBEDDINGS_KEY") if role == "embedding" else None
    return seed or secrets.get("nvidiaApiKey")
