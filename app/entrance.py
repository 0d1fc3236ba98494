"""Who is let in and by which ways, as the settings say: keys, tokens, and browsers that sign in."""

from dataclasses import dataclass

from fastapi import APIRouter
from limits import parse

from app.access.door import Browsers, Door, Verifier
from app.keys import KeyRing
from app.service import Service
from app.settings import Settings
from app.sharing.locks import SharedLock


@dataclass(frozen=True)
class Entrance:
    """The door, and the routes of sign-in where a provider is set up for them."""

    door: Door
    router: APIRouter | None


def entrance(settings: Settings, service: Service) -> Entrance:
    """Return every way in that is set up."""
    ring = None
    if settings.api_keys_file is not None and not settings.anonymous:
        ring = KeyRing(settings.api_keys_file)
    if settings.oidc_issuer is None:
        return Entrance(_door(settings, service, ring), None)
    # Imported late: 9 MB of cryptography that keys have no use for.
    from app.access.oidc import OidcSettings, OidcVerifier

    verifier = OidcVerifier(
        OidcSettings(
            issuer=settings.oidc_issuer,
            audience=settings.oidc_audience,
            keys_file=settings.oidc_keys_file,
            user_claim=settings.oidc_user_claim,
            groups_claim=settings.oidc_groups_claim,
            roles=settings.oidc_roles,
            skew_seconds=settings.oidc_skew_seconds,
        )
    )
    if settings.oidc_client_id is None or settings.public_url is None:
        return Entrance(_door(settings, service, ring, verifier), None)

    from app.access.browser import Browser
    from app.access.login import Login
    from app.access.provider import Provider
    from app.access.session_store import SessionStore
    from app.routes.login import login_router

    with SharedLock(settings.data_dir / "locks" / "opening"):
        store = SessionStore(settings.data_dir / "sessions.sqlite3")
    minutes = settings.oidc_session_minutes
    browser = Browser(
        settings.public_url,
        store,
        settings.oidc_roles,
        session_seconds=None if minutes is None else minutes * 60,
    )
    login = Login(
        url=settings.public_url,
        provider=Provider(
            settings.oidc_issuer, settings.oidc_client_id, settings.oidc_client_secret_file
        ),
        verifier=verifier,
        seal=store.seal,
        scopes=settings.oidc_scopes,
    )
    door = _door(settings, service, ring, verifier, browser)
    return Entrance(door, login_router(login, browser, door))


def _door(
    settings: Settings,
    service: Service,
    ring: KeyRing | None,
    verifier: Verifier | None = None,
    browsers: Browsers | None = None,
) -> Door:
    return Door(
        ring=ring,
        store=service.keys,
        verifier=verifier,
        browsers=browsers,
        rate=parse(settings.caller_rate) if settings.caller_rate else None,
        anonymous=settings.anonymous,
    )
