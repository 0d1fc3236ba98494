"""Where one model role is reached, whoever serves it."""

from dataclasses import dataclass

import pulumi


@dataclass(frozen=True, kw_only=True)
class ModelEndpoint:
    """One role: `url` ends in /v1; the key is None where none is asked for."""

    role: str
    url: str
    model: str | None = None  # None: the service has one, and is not told which
    dimension: int | None = None  # embedding only
    api_key: pulumi.Output[str] | None = None
    server: pulumi.Resource | None = None  # that serves it in the cluster
    hosted: bool = False  # outside of the cluster: the app needs a way out
