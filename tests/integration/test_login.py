"""Sign-in of a browser at a real, certified provider: plain HTTP and a cookie jar, no page."""

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
import pytest

from tests.app.fake_qdrant import FakeQdrant
from tests.app.process import AppProcess
from tests.fakes.nim import FakeNim
from tests.fakes.provider import SECRET, OidcProvider, sign_in
from tests.integration.test_access import described
from tests.schemas.running import called

pytestmark = pytest.mark.integration

COOKIE = "stackyard-session"
EXAMPLES = 3  # random ones a route, beside those of its description
QUESTION = {"question": "When does the bridge open?"}
Pair = tuple[AppProcess, AppProcess]


@pytest.fixture(scope="module")
def provider() -> Iterator[OidcProvider]:
    with OidcProvider() as started:
        yield started


@pytest.fixture(scope="module")
def pair(
    tmp_path_factory: pytest.TempPathFactory,
    nim: FakeNim,
    qdrant: FakeQdrant,
    provider: OidcProvider,
) -> Iterator[Pair]:
    """Return two processes on one data folder, of which browsers know the first one's address."""
    folder = tmp_path_factory.mktemp("login")
    environment = provider.settings_of_an_app(folder)
    first = AppProcess(folder, nim, qdrant, environment=environment)
    second = AppProcess(folder, nim, qdrant, environment=environment | {"RAG_PORT": "0"})
    try:
        yield first.start(), second.start()
    finally:
        first.stop()
        second.stop()


@pytest.fixture
def browser(pair: Pair) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=pair[0].url, timeout=30) as client:
        yield client


def way_back(browser: httpx.Client, app: AppProcess, name: str, to: str | None = None) -> str:
    """Begin at the app, sign in at the provider; return the address that it sends back to."""
    begun = browser.get("/login", params={} if to is None else {"to": to})
    assert begun.status_code == 303, begun.text
    return sign_in(browser, begun.headers["location"], name, f"{app.url}/login/callback")


def problem(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["type"].removeprefix("urn:stackyard:problem:")


def test_a_browser_signs_in_asks_and_signs_out(pair: Pair, browser: httpx.Client) -> None:
    app, _ = pair
    app.indexed("plan.txt", b"The bridge opens in the spring of 2031.")
    ours = {"Origin": app.url}
    assert browser.get("/v1/me").status_code == 401

    begun = browser.get("/login", params={"to": "/v1/models?x=1"})
    asked = {n: v[0] for n, v in parse_qs(urlsplit(begun.headers["location"]).query).items()}
    assert asked.keys() == {
        "response_type", "client_id", "redirect_uri", "scope", "state", "nonce",
        "code_challenge", "code_challenge_method",
    }  # fmt: skip
    assert (asked["code_challenge_method"], asked["scope"]) == ("S256", "openid groups")
    back = way_back(browser, app, "alice", "/v1/models?x=1")
    welcome = browser.get(back)

    assert (welcome.status_code, welcome.headers["location"]) == (
        303, f"{app.url}/v1/models?x=1",
    )  # fmt: skip
    given = next(v for v in welcome.headers.get_list("set-cookie") if v.startswith(f"{COOKIE}="))
    assert {"HttpOnly", "Path=/", "SameSite=lax"} <= set(given.split("; "))
    me = browser.get("/v1/me").json()
    assert (me["subject"], me["role"], me["via"]) == ("alice", "contributor", "session")
    assert me["groups"] == ["hr", "writers"]
    assert browser.get("/v1/keys").status_code == 403
    answer = browser.post("/query/run", json=QUESTION, headers=ours)
    assert "2031" in answer.json()["answer"]

    kept = browser.cookies[COOKIE]
    left = browser.post("/logout", headers=ours)

    assert left.status_code == 303
    assert left.headers["location"] == f"{provider_of(left)}/session/end?client_id=rag"
    assert COOKIE not in browser.cookies
    # a copy that somebody has kept is worth nothing
    assert browser.get("/v1/me", headers={"Cookie": f"{COOKIE}={kept}"}).status_code == 401
    end_there(browser, left.headers["location"])
    assert problem(browser.get(way_back(browser, app, "bob"))) == (403, "forbidden")


def provider_of(response: httpx.Response) -> str:
    url = urlsplit(response.headers["location"])
    return f"{url.scheme}://{url.netloc}"


def end_there(browser: httpx.Client, where: str) -> None:
    """Say yes to the provider's question whether it is meant."""
    page = browser.get(where)
    action = re.search(r'action="([^"]+)"', page.text)
    guard = re.search(r'name="xsrf" value="([^"]+)"', page.text)
    assert action is not None
    assert guard is not None
    form = {"xsrf": guard[1], "logout": "yes"}
    assert browser.post(urljoin(where, action[1]), data=form).is_redirect


def test_what_is_brought_back_is_of_this_browser_and_used_once(
    pair: Pair, browser: httpx.Client
) -> None:
    app, _ = pair
    back = way_back(browser, app, "alice")
    state = parse_qs(urlsplit(back).query)["state"][0]
    refused = (400, "sign-in-failed")

    with httpx.Client() as stranger:
        assert problem(stranger.get(back)) == refused
    assert problem(browser.get(back.replace(state, state[:-1] + "x"))) == refused
    assert problem(browser.get(re.sub("&iss=[^&]+", "", back))) == refused
    assert problem(browser.get(re.sub("&iss=[^&]+", "&iss=https://a.example", back))) == refused
    assert COOKIE not in browser.cookies
    cookies = "; ".join(f"{each.name}={each.value}" for each in browser.cookies.jar)
    assert browser.get(back).status_code == 303
    # Everything that the browser had, once more: the provider knows the code to be used.
    with httpx.Client(headers={"Cookie": cookies}) as again:
        assert problem(again.get(back)) == refused
        assert COOKIE not in again.cookies


def test_who_says_no_at_the_provider_is_told_so(browser: httpx.Client) -> None:
    begun = browser.get("/login")
    state = parse_qs(urlsplit(begun.headers["location"]).query)["state"][0]
    said = {"error": "access_denied", "state": state, "iss": provider_of(begun)}

    answer = browser.get("/login/callback", params=said)

    assert problem(answer) == (403, "sign-in-refused")
    assert "access_denied" not in answer.text


def test_a_page_of_another_origin_changes_nothing(pair: Pair, browser: httpx.Client) -> None:
    app, _ = pair
    browser.get(way_back(browser, app, "alice"))
    foreign = [
        {},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": app.url, "Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ]

    refused = [problem(browser.post("/query/run", json=QUESTION, headers=h)) for h in foreign]
    refused += [problem(browser.post("/logout", headers=h)) for h in foreign]
    form = {"Origin": "null", "Sec-Fetch-Site": "same-origin"}

    assert set(refused) == {(403, "cross-origin")}
    assert browser.get("/v1/me").status_code == 200
    assert browser.post("/query/run", json=QUESTION, headers=form).status_code == 200
    # Who shows a key came by no page's leave: browsers add none on their own.
    with app.client() as program:
        cookie = {"Cookie": f"{COOKIE}={browser.cookies[COOKIE]}"}
        assert program.post("/query/run", json=QUESTION, headers=cookie).status_code == 200
        assert program.get("/v1/me", headers=cookie).json()["via"] == "file"
        assert problem(program.post("/logout")) == (409, "no-session")


def test_a_session_ends_with_its_time(pair: Pair, browser: httpx.Client) -> None:
    app, _ = pair
    browser.get(way_back(browser, app, "alice"))
    before = browser.get("/v1/me").status_code
    with closing(sqlite3.connect(app.directory / "data/sessions.sqlite3")) as data:
        held = str(data.execute("select * from sessions").fetchall())
        assert browser.cookies[COOKIE] not in held
        data.execute("update sessions set ends = unixepoch() - 1")
        data.commit()

    after = browser.get("/v1/me")

    assert (before, after.status_code) == (200, 401)
    assert "/login" in after.json()["detail"]


def test_it_may_begin_here_end_there_and_holds_in_both(pair: Pair, browser: httpx.Client) -> None:
    first, second = pair
    back = way_back(browser, first, "alice")

    welcome = browser.get(back.replace(first.url, second.url))
    here = browser.get("/v1/me").status_code
    left = browser.post(f"{second.url}/logout", headers={"Origin": first.url})

    assert welcome.headers["location"] == f"{first.url}/v1/me"
    assert (here, left.status_code) == (200, 303)
    assert browser.get("/v1/me").status_code == 401


def test_strangers_reach_two_more_routes_and_no_other(pair: Pair) -> None:
    _, second = pair
    found = {}
    with httpx.Client(base_url=second.url) as stranger:
        for method, path in described(second):
            found[f"{method} {path}"] = stranger.request(method, path).status_code
        away = [stranger.get("/login", params={"to": to}) for to in ("//evil.example", "/\\evil")]

    assert {route for route, code in found.items() if code != 401} == {
        "GET /healthz", "GET /readyz", "GET /login", "GET /login/callback",
    }  # fmt: skip
    assert [answer.status_code for answer in away] == [422, 422]


def test_sessions_outlive_a_restart_and_a_client_without_a_secret_will_do(
    pair: Pair, browser: httpx.Client
) -> None:
    app, _ = pair
    browser.get(way_back(browser, app, "alice"))

    app.stop()
    app.environment["RAG_OIDC_CLIENT_ID"] = "rag-public"
    del app.environment["RAG_OIDC_CLIENT_SECRET_FILE"]
    app.start()

    assert browser.get("/v1/me").json()["subject"] == "alice"
    with httpx.Client(base_url=app.url, timeout=30) as another:
        assert another.get(way_back(another, app, "alice")).status_code == 303
        assert another.get("/v1/me").json()["via"] == "session"


def test_who_brings_back_what_is_wrong_too_often_is_told_to_wait(pair: Pair) -> None:
    _, second = pair
    with httpx.Client(base_url=second.url) as stranger:
        wrong = {"code": "guess", "state": "guess"}
        codes = [stranger.get("/login/callback", params=wrong).status_code for _ in range(31)]

    assert codes[0] == 400
    assert codes[-1] == 429
    assert set(codes) == {400, 429}


def test_the_audit_log_tells_who_came_and_went_and_no_log_how(pair: Pair) -> None:
    logged = [line for app in pair for line in app.output]
    audit = [json.loads(line) for line in logged if '"event":"audit"' in line]
    came = [e for e in audit if e["action"] == "GET /login/callback" and e["status"] == 303]
    went = [e for e in audit if e["action"] == "POST /logout" and e["status"] == 303]

    assert {(each["who"], each["via"]) for each in came + went} == {("alice", "session")}
    assert {each["object"]["session"] for each in went} < {
        each["object"]["session"] for each in came
    }
    assert not [line for line in logged if SECRET in line or "code=" in line or COOKIE in line]
    assert not [line for line in logged if "eyJ" in line]


def test_every_answer_to_who_signs_in_is_one_that_is_described(pair: Pair, tmp_path: Path) -> None:
    _, second = pair  # it counts by itself who guesses
    routes = ("/login", "/login/callback", "/logout")

    found = called(second, tmp_path, examples=EXAMPLES, key=None, only=routes)

    assert found.failures is None, found.failures
    assert found.cases > len(routes) * EXAMPLES
    assert second.process.poll() is None
