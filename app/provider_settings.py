"""What the environment says of the identity provider; app/settings.py reads it."""

from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings

HERE = ("127.0.0.1", "localhost", "::1")
PORTS = {"https": 443, "http": 80}


class ProviderSettings(BaseSettings):
    """Whose tokens count, and how a browser signs in there."""

    oidc_issuer: str | None = None
    oidc_audience: list[str] = []
    oidc_keys_file: Path | None = None
    oidc_user_claim: str = "sub"
    oidc_groups_claim: str = "groups"
    oidc_roles: dict[Literal["reader", "contributor", "admin"], list[str]] = {"reader": ["*"]}
    oidc_skew_seconds: float = Field(default=60, ge=0, le=600)
    # what this service is called there; set: browsers sign in at /login
    oidc_client_id: str | None = Field(default=None, min_length=1)
    # unset: a public client, with PKCE alone
    oidc_client_secret_file: Path | None = None
    oidc_scopes: list[str] = []
    # unset: a session ends with the ID token that it began with
    oidc_session_minutes: int | None = Field(default=None, gt=0, le=43_200)
    # the address that browsers use, such as https://rag.example.org
    public_url: str | None = None

    @field_validator("oidc_keys_file", "oidc_client_secret_file")
    @classmethod
    def _is_there(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_file():
            message = f"is {str(value)!r}, which is not a file"
            raise ValueError(message)
        return value

    @field_validator("public_url")
    @classmethod
    def _is_an_origin(cls, value: str | None) -> str | None:
        """Return it as browsers write an origin: in lower case, without a usual port."""
        if value is None:
            return None
        url = urlsplit(value)
        host = url.hostname
        if host is None or url.scheme not in PORTS or url.path.strip("/") or url.query:
            message = f"is {value!r}; it must be such as https://rag.example.org, without a path"
            raise ValueError(message)
        if url.scheme == "http" and host not in HERE:
            message = f"is {value!r}; sessions need https://, but on this machine itself"
            raise ValueError(message)
        name = f"[{host}]" if ":" in host else host
        usual = url.port in (None, PORTS[url.scheme])
        return f"{url.scheme}://{name}" + ("" if usual else f":{url.port}")

    @model_validator(mode="after")
    def _provider_is_whole(self) -> Self:
        issuer = self.oidc_issuer
        if issuer is None:
            return self
        if not self.oidc_audience:
            message = 'RAG_OIDC_AUDIENCE: is not set; it must be a list such as ["stackyard"]'
            raise ValueError(message)
        # Over plain HTTP anybody on the way could put keys of their own in.
        here = urlsplit(issuer).hostname in HERE
        if self.oidc_keys_file is None and not here and not issuer.startswith("https://"):
            message = (
                f"RAG_OIDC_ISSUER: is {issuer!r}; it must begin with https://, "
                "or RAG_OIDC_KEYS_FILE must name a file with its keys"
            )
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _sign_in_is_whole(self) -> Self:
        if self.oidc_client_id is None:
            return self
        for name, value in (
            ("RAG_OIDC_ISSUER", self.oidc_issuer),
            ("RAG_PUBLIC_URL", self.public_url),
        ):
            if value is None:
                message = (
                    f"{name}: is not set; browsers cannot sign in without (RAG_OIDC_CLIENT_ID)"
                )
                raise ValueError(message)
        if self.oidc_keys_file is not None:
            message = (
                "RAG_OIDC_KEYS_FILE: is set, so the provider is not asked; but a browser's code is "
                "exchanged there (RAG_OIDC_CLIENT_ID)"
            )
            raise ValueError(message)
        return self
