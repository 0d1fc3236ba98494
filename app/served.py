"""What the model services really serve, compared with what the stack says of them."""

import logging
from collections.abc import Awaitable, Callable

import httpx

from app.settings import Settings

log = logging.getLogger("app.served")
Confirm = Callable[[httpx.AsyncClient, dict[str, str]], Awaitable[str | None]]
SHOWN = 3  # of the models that a service lists


def confirm_model(role: str, url: str, model: str) -> Confirm:
    """Return a check that warns where a service does not list the model that it will be asked for.

    Only a warning: some list no alias, some nothing at all.
    """

    async def confirm(client: httpx.AsyncClient, headers: dict[str, str]) -> str | None:
        response = await client.get(f"{url}/models", headers=headers)
        if response.status_code == 200:
            listed = [str(each["id"]) for each in response.json()["data"]]
            if listed and model not in listed:
                log.warning(
                    "the service does not list the model",
                    extra={"role": role, "model": model, "listed": listed[:SHOWN]},
                )
        return None

    return confirm


def confirm_dimension(settings: Settings) -> Confirm:
    """Return a check that embeds one word and compares the length of its vector.

    The collections were compared with the same number at the start (app/dimension.py).
    """
    listed = confirm_model("embedding", settings.embedding_url, settings.embedding_model)
    asked = {"model": settings.embedding_model, "input": ["size"], "input_type": "query"}

    async def confirm(client: httpx.AsyncClient, headers: dict[str, str]) -> str | None:
        await listed(client, headers)
        response = await client.post(
            f"{settings.embedding_url}/embeddings", json=asked, headers=headers
        )
        if response.status_code != 200:
            log.info("not measured", extra={"status": response.status_code})
            return None
        served = len(response.json()["data"][0]["embedding"])
        if served == settings.embedding_dimension:
            return None
        return (
            f"serves vectors of {served} numbers, and RAG_EMBEDDING_DIMENSION is "
            f"{settings.embedding_dimension}; set models.embedding.dimension to {served}, or serve "
            "the model that it is set for"
        )

    return confirm
