"""Where a model's endpoint is, and what opens it."""

from typing import Literal

from haystack.utils import Secret
from haystack_integrations.utils.nvidia.utils import is_hosted, lookup_model

Role = Literal["embeddings", "ranking", "chat/completions"]


def endpoint(api_url: str, model: str, role: Role) -> str:
    """Return the address of a role; NVIDIA hosts its ranking models at one address each."""
    hosted = lookup_model(model) if is_hosted(api_url) and role != "chat/completions" else None
    if hosted is None or not hosted.endpoint:
        return f"{api_url}/{role}"
    return hosted.endpoint if role == "ranking" else f"{hosted.endpoint}/{role}"


def bearer(api_key: Secret | None) -> dict[str, str]:
    """Return the header that carries the key."""
    key = api_key.resolve_value() if api_key else None
    return {"Authorization": f"Bearer {key}"} if key else {}
