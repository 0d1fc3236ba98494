"""Who am I, and the keys of others: created, listed, revoked."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter
from limits import parse
from pydantic import AwareDatetime, BaseModel, Field, field_validator

from app.access.identity import caller, visit
from app.access.key_store import Key, KeyStore
from app.problems import invalid, not_found
from app.settings import COLLECTION

Name = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f,]{1,200}$")]
Collection = Annotated[str, Field(pattern=f"^{COLLECTION}$")]


class Me(BaseModel):
    """Who the service takes the caller for."""

    subject: str
    role: Literal["reader", "contributor", "admin"]
    groups: list[str]
    collections: list[str] | None
    via: Literal["file", "key", "oidc", "session", "anonymous"]


class NewKey(BaseModel):
    """What a new key is for; `rate` is such as `60/minute`."""

    subject: Name
    role: Literal["reader", "contributor", "admin"] = "reader"
    groups: Annotated[list[Name], Field(max_length=100)] = []
    collections: Annotated[list[Collection], Field(min_length=1, max_length=100)] | None = None
    rate: Annotated[str, Field(max_length=40)] | None = None
    expires: AwareDatetime | None = None

    @field_validator("rate")
    @classmethod
    def _is_a_rate(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                parse(value)
            except ValueError:
                msg = "is not a rate such as 60/minute or 1000/day"
                raise ValueError(msg) from None
        return value


class KeyView(BaseModel):
    """A key without its secret."""

    id: str
    subject: str
    role: Literal["reader", "contributor", "admin"]
    groups: list[str]
    collections: list[str] | None
    rate: str | None
    created: str
    created_by: str
    expires: str | None
    revoked: str | None


class CreatedKey(KeyView):
    """A new key with its text, which is shown this once."""

    key: str


class Keys(BaseModel):
    """Every key that was ever created."""

    keys: list[KeyView]


def _view(key: Key) -> KeyView:
    return KeyView.model_validate(key, from_attributes=True)


def access_router(store: KeyStore) -> APIRouter:
    router = APIRouter(tags=["access"])

    @router.get("/v1/me", summary="Who the service takes you for")
    async def me() -> Me:
        who = caller()
        return Me(
            subject=who.subject,
            role=who.role,
            groups=sorted(who.groups),
            collections=None if who.collections is None else sorted(who.collections),
            via=who.via,
        )

    @router.get("/v1/keys", summary="List keys; secrets are not kept")
    async def keys() -> Keys:
        return Keys(keys=[_view(key) for key in store.all()])

    @router.post("/v1/keys", status_code=201, summary="Create a key; its text is shown this once")
    async def create(new: NewKey) -> CreatedKey:
        if new.expires is not None and new.expires <= datetime.now(UTC):
            msg = "expires is in the past"
            raise invalid(msg)
        key, text = store.create(
            subject=new.subject,
            role=new.role,
            groups=tuple(sorted(set(new.groups))),
            collections=None if new.collections is None else tuple(sorted(set(new.collections))),
            rate=new.rate,
            expires=new.expires.astimezone(UTC).isoformat() if new.expires else None,
            created_by=caller().subject,
        )
        visit().object = {"key": key.id, "subject": key.subject, "role": key.role}
        return CreatedKey(**_view(key).model_dump(), key=text)

    @router.delete("/v1/keys/{key_id}", summary="Revoke a key: the next request with it is refused")
    async def revoke(key_id: str) -> KeyView:
        key = store.revoke(key_id)
        if key is None:
            msg = "There is no such key"
            raise not_found(msg)
        visit().object = {"key": key_id}
        return _view(key)

    return router
