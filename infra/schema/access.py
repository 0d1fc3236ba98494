"""What a stack may say about who may call the service, and whose documents they see."""

from typing import Literal

from pydantic import Field

from infra.schema.fields import Frozen, Rate, WebAddress


class LoginSettings(Frozen):
    """Sign-in with a browser: code flow with PKCE, then a session."""

    client_id: str = Field(
        min_length=1,
        description="what the service is called at the provider; browsers sign in at `/login`",
    )
    scopes: list[str] = Field(
        default=[], description="asked for besides `openid`, where the groups need one"
    )
    session_minutes: int | None = Field(
        default=None,
        gt=0,
        le=43_200,
        description="a session's length. Unset: it ends with the ID token that it began with",
    )


class OidcSettings(Frozen):
    """An OpenID Connect provider whose tokens callers may show instead of a key."""

    issuer: WebAddress = Field(description="as it stands in the tokens")
    audience: list[str] = Field(min_length=1, description="one of these must be in a token's `aud`")
    keys: str | None = Field(
        default=None,
        description="its JWKS as JSON, for sites that must not ask it. Unset: by discovery",
    )
    user_claim: str = Field(default="sub", min_length=1, description="who it is")
    groups_claim: str = Field(default="groups", min_length=1, description="a list of groups")
    admins: list[str] = Field(default=[], description="groups whose members are admins")
    contributors: list[str] = Field(
        default=[], description="groups whose members bring documents of their own"
    )
    readers: list[str] = Field(
        default=["*"], description="groups whose members ask; `*` is whoever signs in"
    )
    skew_seconds: int = Field(default=60, ge=0, le=600, description="how far clocks may differ")
    login: LoginSettings | None = Field(default=None, description="sign-in with a browser")


class AccessSettings(Frozen):
    """Who may call the service, and whose documents they see."""

    default_readers: Literal["everyone", "owner"] = Field(
        default="everyone", description="who may read a document that is uploaded without readers"
    )
    caller_rate: Rate | None = Field(
        default=None, description="for callers whose key has none of its own, such as `60/minute`"
    )
    injections: Literal["report", "quarantine"] = Field(
        default="report",
        description="what becomes of a document that speaks to the model: it is reported, or not"
        " cited until an admin releases it",
    )
    retention_days: int | None = Field(
        default=None, gt=0, description="documents that were last changed before that are erased"
    )
    audit_questions: bool = Field(
        default=False, description="whether the audit log holds what was asked"
    )
    oidc: OidcSettings | None = Field(default=None, description="whose tokens count beside keys")

    @property
    def asked_provider(self) -> str | None:
        """The provider that the app asks for its keys; None where it has them, or has none."""
        return self.oidc.issuer if self.oidc is not None and self.oidc.keys is None else None
