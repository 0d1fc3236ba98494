"""Cookies of this service: how they are set, whose session one is of, and from which page."""

import re
import time
from collections.abc import Mapping, Sequence

from starlette.requests import cookie_parser
from starlette.responses import Response

from app.access.identity import Identity, Role
from app.access.oidc import without_a_role
from app.access.roles import role_of
from app.access.session_store import SessionStore
from app.problems import Problem, invalid

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
LONGEST_COOKIE = 4096
# Neither //host nor a backslash, which browsers take for a slash, nor what they drop: white space.
LOCAL = re.compile(r"/(?!/)[A-Za-z0-9._~!$&'()*+,;=:@%/?#-]{0,2000}")


class Browser:
    """Keeps the sessions of one public address, such as https://rag.example.org.

    Without `session_seconds` a session ends with the ID token that it began with.
    """

    def __init__(
        self,
        url: str,
        store: SessionStore,
        roles: Mapping[Role, Sequence[str]],
        *,
        session_seconds: float | None = None,
    ) -> None:
        self.url = url
        self._secure = url.startswith("https://")
        # With it a browser takes no cookie of that name from a neighbour, nor over plain HTTP.
        prefix = "__Host-" if self._secure else ""
        self.session_cookie = f"{prefix}stackyard-session"
        self.login_cookie = f"{prefix}stackyard-login"
        self._store = store
        self._roles = roles
        self._session_seconds = session_seconds

    def identify(self, headers: Mapping[bytes, bytes], method: str) -> Identity | None:
        """Return whose session a cookie is of; raise a Problem, 403: a foreign page, no role."""
        secret = self.cookie(headers, self.session_cookie)
        session = self._store.find(secret, time.time()) if secret else None
        if session is None:
            return None
        if method not in SAFE and not self._is_of_our_page(headers):
            raise Problem(
                403,
                "cross-origin",
                "Not allowed from another page",
                f"With a session, requests that change something come from pages of {self.url}",
            )
        return self.known(session.subject, session.groups)

    def known(self, subject: str, groups: frozenset[str]) -> Identity:
        """Return whom the provider names, with the role that it has now; or a Problem, 403."""
        role = role_of(groups, self._roles)
        if role is None:
            raise without_a_role()
        return Identity(
            subject=subject,
            role=role,
            groups=groups,
            via="session",
            credential=f"session of {subject}",
        )

    def begin(
        self, headers: Mapping[bytes, bytes], response: Response, who: Identity, ends: float
    ) -> str:
        """Give a browser a new session in place of the one that it had; return its id."""
        self._end(headers)
        now = time.time()
        if self._session_seconds is not None:
            ends = now + self._session_seconds
        session, secret = self._store.begin(who.subject, who.groups, now=now, ends=ends)
        self.give(response, self.session_cookie, secret, ends - now)
        self.give(response, self.login_cookie, "", 0)
        return session.id

    def end(self, headers: Mapping[bytes, bytes], response: Response) -> str | None:
        """End a browser's session and take its cookie back; return the session's id."""
        self.give(response, self.session_cookie, "", 0)
        return self._end(headers)

    def cookie(self, headers: Mapping[bytes, bytes], name: str) -> str | None:
        """Return what a request's cookie holds."""
        value = cookie_parser(headers.get(b"cookie", b"").decode("latin-1")).get(name)
        return value if value and len(value) <= LONGEST_COOKIE else None

    def give(self, response: Response, name: str, value: str, seconds: float) -> None:
        """Set a cookie; no seconds take it back."""
        response.set_cookie(
            name, value, max_age=int(seconds), secure=self._secure, httponly=True, samesite="lax"
        )

    def address_of(self, path: str) -> str:
        """Return the whole address of a path here; raise a Problem, 422, for any other place."""
        if LOCAL.fullmatch(path) is None:
            msg = "to must be a path of this service, such as /v1/me"
            raise invalid(msg)
        return self.url + path

    def _end(self, headers: Mapping[bytes, bytes]) -> str | None:
        secret = self.cookie(headers, self.session_cookie)
        return self._store.end(secret) if secret is not None else None

    def _is_of_our_page(self, headers: Mapping[bytes, bytes]) -> bool:
        """Tell whether a page of ours sent this; a page can forge neither header.

        A form of a page with `referrer-policy: no-referrer` has the origin `null`.
        """
        origin, site = headers.get(b"origin"), headers.get(b"sec-fetch-site")
        if origin is None or origin == b"null":
            return site == b"same-origin"
        return origin == self.url.encode() and site in (None, b"same-origin")
