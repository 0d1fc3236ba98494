"""Cookies and sessions: whose they are, from which page, how long, and where one may go on to."""

import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import Response

from app.access.browser import Browser
from app.access.identity import Identity, Role
from app.access.session_store import OF_ONE, SessionStore
from app.problems import Problem

URL = "https://rag.example.org"
ROLES: dict[Role, list[str]] = {"reader": ["hr"], "admin": ["ops"]}
ALICE = Identity(
    subject="alice", role="reader", groups=frozenset({"hr"}), via="session", credential="s"
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SessionStore]:
    opened = SessionStore(tmp_path / "sessions.sqlite3")
    yield opened
    opened.close()


def cookies(response: Response) -> list[str]:
    return [value.decode() for name, value in response.raw_headers if name == b"set-cookie"]


def signed_in(browser: Browser, who: Identity = ALICE, ends: float = 60) -> dict[bytes, bytes]:
    """Return the headers of a browser that has just signed in."""
    response = Response()
    browser.begin({}, response, who, time.time() + ends)
    return {b"cookie": cookies(response)[0].split(";")[0].encode()}


@pytest.mark.parametrize(
    ("url", "name", "secure"),
    [
        (URL, "__Host-stackyard-session", True),
        ("http://127.0.0.1:8080", "stackyard-session", False),
    ],
)
def test_a_cookie_is_as_hard_as_the_address_allows(
    store: SessionStore, url: str, name: str, secure: bool
) -> None:
    response = Response()
    Browser(url, store, ROLES).begin({}, response, ALICE, time.time() + 60)

    given, attempt = cookies(response)
    attributes = {each.strip().lower() for each in given.split(";")[1:]}

    assert given.startswith(f"{name}=")
    assert {"httponly", "path=/", "samesite=lax"} < attributes
    assert ("secure" in attributes) is secure
    assert not [each for each in attributes if each.startswith("domain")]
    assert "Max-Age=0" in attempt


@pytest.mark.parametrize(
    ("method", "headers", "may"),
    [
        ("GET", {}, True),
        ("HEAD", {b"origin": b"https://evil.example"}, True),
        ("POST", {}, False),
        ("POST", {b"origin": URL.encode()}, True),
        ("DELETE", {b"origin": URL.encode(), b"sec-fetch-site": b"same-origin"}, True),
        ("POST", {b"origin": b"null", b"sec-fetch-site": b"same-origin"}, True),
        ("POST", {b"sec-fetch-site": b"same-origin"}, True),
        ("POST", {b"origin": b"null"}, False),
        ("POST", {b"origin": URL.encode() + b".evil.example"}, False),
        ("POST", {b"origin": URL.encode() + b":8443"}, False),
        ("POST", {b"origin": b"http://rag.example.org"}, False),
        ("PUT", {b"origin": b"https://evil.example", b"sec-fetch-site": b"same-origin"}, False),
        ("POST", {b"origin": URL.encode(), b"sec-fetch-site": b"cross-site"}, False),
        ("PATCH", {b"sec-fetch-site": b"none"}, False),
    ],
)
def test_what_changes_something_comes_from_a_page_of_ours(
    store: SessionStore, method: str, headers: dict[bytes, bytes], may: bool
) -> None:
    browser = Browser(URL, store, ROLES)
    sent = signed_in(browser) | headers

    if may:
        identity = browser.identify(sent, method)
        assert identity is not None
        assert (identity.subject, identity.role) == ("alice", "reader")
    else:
        with pytest.raises(Problem) as refused:
            browser.identify(sent, method)
        assert (refused.value.status_code, refused.value.name) == (403, "cross-origin")


@pytest.mark.parametrize(
    "cookie", [b"", b";;=", b"__Host-stackyard-session=", b"__Host-stackyard-session=\xff\xfe",
               b'__Host-stackyard-session="\\777', b"__Host-stackyard-session=" + b"x" * 9000],
)  # fmt: skip
def test_any_other_cookie_is_nobodys(store: SessionStore, cookie: bytes) -> None:
    browser = Browser(URL, store, ROLES)
    signed_in(browser)

    assert browser.identify({b"cookie": cookie}, "GET") is None


def test_a_session_ends_with_its_token_or_after_its_time(store: SessionStore) -> None:
    assert (
        Browser(URL, store, ROLES).identify(signed_in(Browser(URL, store, ROLES), ends=-1), "GET")
        is None
    )
    long = Browser(URL, store, ROLES, session_seconds=60)
    assert long.identify(signed_in(long, ends=-1), "GET") is not None
    short = Browser(URL, store, ROLES, session_seconds=-1)
    assert short.identify(signed_in(short, ends=60), "GET") is None


def test_a_new_session_takes_the_place_of_the_one_before(store: SessionStore) -> None:
    browser = Browser(URL, store, ROLES)
    before = signed_in(browser)

    browser.begin(before, Response(), ALICE, time.time() + 60)

    assert browser.identify(before, "GET") is None


def test_a_role_is_the_one_of_now(store: SessionStore) -> None:
    headers = signed_in(Browser(URL, store, ROLES))

    promoted = Browser(URL, store, {"admin": ["hr"]}).identify(headers, "GET")

    assert promoted is not None
    assert promoted.role == "admin"
    with pytest.raises(Problem) as refused:
        Browser(URL, store, {"admin": ["ops"]}).identify(headers, "GET")
    assert refused.value.status_code == 403


def test_processes_share_sessions_and_the_seal(tmp_path: Path, store: SessionStore) -> None:
    other = SessionStore(tmp_path / "sessions.sqlite3")
    headers = signed_in(Browser(URL, store, ROLES))
    there = Browser(URL, other, ROLES)

    assert there.identify(headers, "GET") is not None
    assert there.end(headers, Response()) is not None
    assert Browser(URL, store, ROLES).identify(headers, "GET") is None
    assert other.seal.decrypt(store.seal.encrypt(b"attempt")) == b"attempt"
    other.close()


def test_the_disk_has_no_cookie_and_is_not_filled_by_one_person(
    tmp_path: Path, store: SessionStore
) -> None:
    browser = Browser(URL, store, ROLES)
    given = [signed_in(browser) for _ in range(OF_ONE + 2)]
    held = b"".join(path.read_bytes() for path in tmp_path.iterdir())

    open_still = [browser.identify(headers, "GET") is not None for headers in given]

    assert open_still == [False] * 2 + [True] * OF_ONE
    assert not [h for h in given if h[b"cookie"].partition(b"=")[2] in held]
    assert (tmp_path / "sessions.sqlite3").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("to", ["/", "/v1/me", "/a/b?c=d&e=%2F#f", "/~x/(y)"])
def test_a_path_here_is_a_way_on(store: SessionStore, to: str) -> None:
    assert Browser(URL, store, ROLES).address_of(to) == URL + to


@pytest.mark.parametrize(
    "to",
    ["", "v1", "//evil.example", "/\\evil.example", "\\/evil", "https://evil.example", "/\t/evil",
     "/\n/evil", " /x", "/x y", "/ä", "@evil.example", "/" + "x" * 3000, "javascript:alert(1)"],
)  # fmt: skip
def test_any_other_place_is_refused(store: SessionStore, to: str) -> None:
    with pytest.raises(Problem) as refused:
        Browser(URL, store, ROLES).address_of(to)

    assert refused.value.status_code == 422


@given(st.text(alphabet=st.sampled_from("/\\.@:?#%&=ax\t\n -"), max_size=12))
def test_no_way_on_leaves_this_host(to: str) -> None:
    browser = Browser(URL, store=None, roles={})  # type: ignore[arg-type]  # not asked
    try:
        address = browser.address_of(to)
    except Problem:
        return
    assert urlsplit(address)[:2] == ("https", "rag.example.org")
    assert urlsplit(urljoin(f"{URL}/login", to)).netloc == "rag.example.org"
