"""Keys, roles and whose documents, over the real HTTP of a real `python -m app`."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.app.fake_qdrant import FakeQdrant
from tests.app.process import AppProcess, until
from tests.fakes.nim import FakeNim
from tests.integration.conftest import Maker

pytestmark = pytest.mark.integration

NOBODY = "0" * 32


def new_key(app: AppProcess, subject: str, role: str = "reader", **more: object) -> dict[str, Any]:
    with app.client() as admin:
        response = admin.post("/v1/keys", json={"subject": subject, "role": role, **more})
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    return made


def status(app: AppProcess, key: str, method: str, path: str, **more: Any) -> int:
    with app.client(key) as client:
        return client.request(method, path, **more).status_code


def test_a_created_key_opens_until_it_is_revoked(app: AppProcess) -> None:
    made = new_key(app, "alice", groups=["hr"])

    with app.client(made["key"]) as alice:
        me = alice.get("/v1/me").json()
        before = alice.get("/v1/models").status_code
        with app.client() as admin:
            revoked = admin.delete(f"/v1/keys/{made['id']}").json()
        after = alice.get("/v1/models")

    assert me == {
        "subject": "alice", "role": "reader", "groups": ["hr"], "collections": None, "via": "key",
    }  # fmt: skip
    assert (before, after.status_code) == (200, 401)
    assert revoked["revoked"]
    with app.client() as admin:
        listed = admin.get("/v1/keys").text
    assert made["id"] in listed
    assert made["key"] not in listed
    assert made["key"].rpartition("_")[2] not in listed


def test_whatever_is_wrong_with_a_key_the_refusal_is_the_same(app: AppProcess) -> None:
    made = new_key(app, "bob")
    revoked = new_key(app, "mal")
    with app.client() as admin:
        admin.delete(f"/v1/keys/{revoked['id']}")
    wrong = [
        made["key"][:-1],
        made["key"].replace(made["id"], "0123456789ab"),
        f"sy_{made['id']}_",
        f"sy_{made['id']}",
        revoked["key"],
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.",
    ]

    answers = set()
    for key in wrong:
        with app.client(key) as client:
            response = client.get("/v1/me")
            answers.add((response.status_code, response.text))

    assert len(answers) == 1
    assert {code for code, _ in answers} == {401}


def test_a_key_has_its_rate(app: AppProcess) -> None:
    made = new_key(app, "script", rate="3/hour")

    with app.client(made["key"]) as client:
        responses = [client.get("/v1/me") for _ in range(4)]

    assert [each.status_code for each in responses] == [200, 200, 200, 429]
    assert responses[-1].json()["type"] == "urn:stackyard:problem:too-many-requests"
    assert 0 < int(responses[-1].headers["retry-after"]) <= 3600


@pytest.mark.parametrize(
    "wrong",
    [
        {"subject": ""},
        {"subject": "x", "role": "root"},
        {"subject": "x", "rate": "often"},
        {"subject": "x", "collections": []},
        {"subject": "x", "collections": ["UPPER"]},
        {"subject": "x", "expires": "2001-01-01T00:00:00Z"},
        {"subject": "x", "groups": ["a,b"]},
    ],
)
def test_a_key_that_makes_no_sense_is_refused(app: AppProcess, wrong: dict[str, object]) -> None:
    with app.client() as admin:
        assert admin.post("/v1/keys", json=wrong).status_code == 422


def described(app: AppProcess) -> Iterator[tuple[str, str]]:
    with app.client() as admin:
        paths = admin.get("/openapi.json").json()["paths"]
    for template, operations in paths.items():
        path = re.sub(r"\{[^}]+\}", NOBODY, template)
        for method in operations:
            yield method.upper(), path


def test_every_route_that_is_described_needs_a_key_but_two(app: AppProcess) -> None:
    found = {}
    with app.client(None) as stranger:
        for method, path in described(app):
            found[f"{method} {path}"] = stranger.request(method, path).status_code

    assert len(found) > 15
    assert {route for route, code in found.items() if code != 401} == {
        "GET /healthz",
        "GET /readyz",
    }


def test_nobody_signs_in_where_no_provider_is_set_up_for_it(app: AppProcess) -> None:
    with app.client(None) as stranger:
        found = [
            stranger.request(method, path).status_code
            for method, path in (("GET", "/login"), ("GET", "/login/callback"), ("POST", "/logout"))
        ]

    assert found == [404, 404, 404]


ADMIN_ONLY = {
    ("POST", f"/pipelines/{NOBODY}/run"),
    ("GET", "/metrics"),
    ("GET", "/v1/keys"),
    ("POST", "/v1/keys"),
    ("DELETE", f"/v1/keys/{NOBODY}"),
    ("DELETE", "/v1/documents"),
    ("PUT", f"/v1/documents/{NOBODY}/quarantine"),
    ("DELETE", f"/v1/documents/{NOBODY}/quarantine"),
    ("POST", "/v1/backup"),
    ("PUT", "/v1/backup"),
}
NEEDS_CONTRIBUTOR = {
    ("POST", "/v1/documents"),
    ("DELETE", f"/v1/documents/{NOBODY}"),
    ("GET", f"/v1/documents/{NOBODY}/readers"),
    ("PUT", f"/v1/documents/{NOBODY}/readers"),
    ("GET", f"/v1/jobs/{NOBODY}"),
    ("DELETE", f"/v1/jobs/{NOBODY}"),
    ("GET", f"/v1/jobs/{NOBODY}/events"),
}


@pytest.mark.parametrize("role", ["reader", "contributor", "admin"])
def test_a_role_opens_its_routes_and_no_others(app: AppProcess, role: str) -> None:
    key = new_key(app, f"a-{role}", role)["key"]
    closed = {"reader": ADMIN_ONLY | NEEDS_CONTRIBUTOR, "contributor": ADMIN_ONLY, "admin": set()}

    refused = set()
    with app.client(key) as client:
        for method, path in described(app):
            response = client.request(method, path)
            assert response.status_code != 401
            if response.status_code == 403:
                refused.add((method, path))

    assert refused >= closed[role] & set(described(app))
    assert refused <= closed[role]


@dataclass
class Team:
    """Three people with a document each, and one document of nobody."""

    app: AppProcess
    keys: dict[str, str]
    ids: dict[str, str]

    def client(self, who: str) -> httpx.Client:
        return self.app.client(self.keys[who])


TEXTS = {
    "alice": b"The treasure of alice lies under the oak tree.",
    "bob": b"The treasure of bob lies under the elm tree.",
    "hr": b"The treasure of hr lies under the ash tree.",
    "nobody": b"The treasure of nobody lies under the fir tree.",
}


@pytest.fixture(scope="module")
def team(app: AppProcess) -> Team:
    keys = {
        "alice": new_key(app, "alice", "contributor", groups=["hr"])["key"],
        "bob": new_key(app, "bob", "contributor")["key"],
        "carol": new_key(app, "carol", groups=["hr"])["key"],
    }
    uploads = {
        "alice": ("alice", ""),
        "bob": ("bob", ""),
        "hr": ("alice", "group:hr"),
        "nobody": (None, ""),
    }
    ids = {}
    for name, (who, readers) in uploads.items():
        with app.client(keys[who]) if who else app.client() as client:
            response = client.post(
                "/v1/documents",
                # the same name for all: nobody overwrites anybody's
                files={"file": ("secret.txt" if name != "hr" else "hr.txt", TEXTS[name])},
                data={"readers": readers, "collection": "team"},
            )
            assert response.status_code == 202, response.text
            job = response.json()["jobs"][0]
        app.job(job["id"])
        ids[name] = job["document_id"]
    return Team(app, keys, ids)


READS = {"alice": {"alice", "hr"}, "bob": {"bob"}, "carol": {"hr"}}


@pytest.mark.parametrize("who", sorted(READS))
def test_everybody_finds_their_documents_on_every_path(team: Team, who: str) -> None:
    mine = {team.ids[name] for name in READS[who]}
    asked = {"query": "Where does the treasure lie?", "collection": "team", "top_k": 50}
    question = {"question": "Where does the treasure lie?", "collection": "team"}
    conversation = {
        "model": "team",
        "messages": [
            {"role": "user", "content": "Where is the treasure of bob and of alice?"},
            {"role": "assistant", "content": "Under the elm tree and the oak tree."},
            {"role": "user", "content": "Where does the treasure lie?"},
        ],
    }

    with team.client(who) as client:
        hits = client.post("/v1/search", json=asked).json()["hits"]
        listing = client.get("/v1/documents", params={"collection": "team"}).json()
        answer = client.post("/query/run", json=question).json()
        chat = client.post("/v1/chat/completions", json=conversation).json()
        stream = client.post("/query/run", json=question | {"stream": True}).text
        texts = {i: client.get(f"/v1/documents/{i}/text").status_code for i in team.ids.values()}
        single = {i: client.get(f"/v1/documents/{i}").status_code for i in team.ids.values()}
        narrowed = client.post(
            "/v1/search",
            json=asked | {"filters": {"document_id": sorted(team.ids.values())}},
        ).json()["hits"]

    assert {hit["document_id"] for hit in hits} == mine
    assert {hit["document_id"] for hit in narrowed} == mine
    assert {each["id"] for each in listing["documents"]} == mine
    assert listing["total"] == len(mine)
    assert {cited["document_id"] for cited in answer["citations"]} <= mine
    cited = chat["choices"][0]["message"]["citations"]
    assert {each["document_id"] for each in cited} <= mine
    others = set(team.ids.values()) - mine
    assert not any(other in stream for other in others)
    for codes in (texts, single):
        assert {i for i, code in codes.items() if code == 200} == mine
        assert {code for i, code in codes.items() if i not in mine} == {404}


@pytest.mark.parametrize(
    "filters",
    [
        {"readers": "group:hr"},
        {"operator": "NOT", "conditions": [
            {"field": "meta.readers", "operator": "==", "value": "user:bob"}]},
    ],
)  # fmt: skip
def test_nobody_asks_for_who_else_reads(team: Team, filters: dict[str, object]) -> None:
    asked = {"query": "Where?", "collection": "team", "filters": filters}

    with team.client("bob") as bob:
        assert bob.post("/v1/search", json=asked).status_code == 422


def test_a_negation_reaches_nothing_of_others(team: Team) -> None:
    everything = {
        "operator": "NOT",
        "conditions": [{"field": "meta.page", "operator": "==", "value": 4711}],
    }
    either = {
        "operator": "OR",
        "conditions": [everything, {"field": "meta.page", "operator": "==", "value": 1}],
    }

    with team.client("bob") as bob:
        for filters in (everything, either):
            asked = {"query": "The treasure?", "collection": "team", "filters": filters}
            hits = bob.post("/v1/search", json=asked).json()["hits"]
            assert {hit["document_id"] for hit in hits} == {team.ids["bob"]}


def test_a_reader_of_a_document_may_not_change_it_nor_see_who_else_reads(team: Team) -> None:
    hr = team.ids["hr"]
    key = new_key(team.app, "dora", "contributor", groups=["hr"])["key"]

    with team.app.client(key) as dora:
        assert dora.get(f"/v1/documents/{hr}").status_code == 200
        assert "group:hr" not in dora.get(f"/v1/documents/{hr}").text
        assert dora.get(f"/v1/documents/{hr}/readers").status_code == 403
        assert dora.put(f"/v1/documents/{hr}/readers", json={"readers": []}).status_code == 403
        assert dora.delete(f"/v1/documents/{hr}").status_code == 403
        assert dora.delete(f"/v1/documents/{team.ids['bob']}").status_code == 404


def test_the_same_bytes_tell_nobody_that_another_has_them(team: Team) -> None:
    key = new_key(team.app, "mallory", "contributor")["key"]

    with team.app.client(key) as mallory:
        files = {"file": ("mine.txt", TEXTS["bob"])}
        job = mallory.post("/v1/documents", files=files, data={"collection": "team"}).json()[
            "jobs"
        ][0]

    assert job["document_id"] != team.ids["bob"]
    assert (job["name"], job["status"]) == ("mine.txt", "queued")


def test_a_scope_hides_other_collections(team: Team) -> None:
    inside = new_key(team.app, "sam", "admin", collections=["team"])["key"]
    outside = new_key(team.app, "sue", "contributor", collections=["elsewhere"])["key"]

    with team.app.client(inside) as sam:
        models = [each["id"] for each in sam.get("/v1/models").json()["data"]]
        assert models == ["stackyard", "team"]
        assert (
            sam.post("/query/run", json={"question": "q", "collection": "documents"})
            .json()["type"]
            .endswith("unknown-collection")
        )
    for method, path in (
        ("GET", "/metrics"), ("GET", "/v1/keys"), ("POST", "/v1/keys"),
        ("DELETE", "/v1/keys/x"), ("POST", "/v1/backup"), ("PUT", "/v1/backup"),
        ("DELETE", "/v1/documents"), ("POST", "/pipelines/x/run"),
    ):  # fmt: skip
        assert status(team.app, inside, method, path, json={"subject": "sam2"}) == 403, path
    with team.app.client(outside) as sue:
        asked = {"query": "treasure", "collection": "team"}
        there = sue.post("/v1/search", json=asked)
        nowhere = sue.post("/v1/search", json=asked | {"collection": "no-such"})
        upload = sue.post(
            "/v1/documents", files={"file": ("a.txt", b"a")}, data={"collection": "team"}
        )
        assert (there.status_code, there.text) == (nowhere.status_code, nowhere.text)
        assert upload.status_code == 403
        assert sue.get("/v1/documents").json() == {"documents": [], "total": 0}


def test_a_change_of_readers_acts_at_once(team: Team) -> None:
    hr = team.ids["hr"]
    asked = {"query": "The treasure of hr?", "collection": "team"}

    def found() -> bool:
        with team.client("carol") as carol:
            hits = carol.post("/v1/search", json=asked).json()
            return any(hit["document_id"] == hr for hit in hits.get("hits", []))

    assert found()
    with team.app.client() as admin:
        taken = admin.put(f"/v1/documents/{hr}/readers", json={"readers": []})
        assert taken.json() == {"owner": "alice", "readers": [], "written": True}
        assert not found()
        given = admin.put(f"/v1/documents/{hr}/readers", json={"readers": ["group:hr"]})
        assert given.json()["written"] is True
    assert found()


def test_who_was_left_out_finds_nothing_even_while_the_store_is_away(
    app: AppProcess, qdrant: FakeQdrant
) -> None:
    carol = new_key(app, "carol")["key"]
    job = app.indexed("plan.txt", b"The treasure is in the well.")
    document, asked = job["document_id"], {"query": "Where is the treasure?"}
    with app.client(carol) as client:
        assert client.post("/v1/search", json=asked).json()["hits"]

    qdrant.status = 500
    try:
        with app.client() as admin:
            changed = admin.put(f"/v1/documents/{document}/readers", json={"readers": ["user:bo"]})
    finally:
        qdrant.status = 200

    # The chunks still say `everyone`; the journal says no.
    assert changed.json()["written"] is False
    with app.client(carol) as client:
        assert client.post("/v1/search", json=asked).json()["hits"] == []
        assert (
            client.post("/query/run", json={"question": asked["query"]}).json()["citations"] == []
        )

    def written() -> bool | None:
        with app.client() as admin:
            return admin.get(f"/v1/documents/{document}/readers").json()["written"] or None

    assert until(written, 30)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_what_is_deleted_while_it_is_being_told_is_not_cited(
    app: AppProcess, nim: FakeNim, stream: bool
) -> None:
    job = app.indexed("fading.txt", b"The comet returns every seventy years to the valley.")
    document = str(job["document_id"])
    nim.token_delay = 0.3
    before = len(nim.requests)

    def model_is_asked() -> bool | None:
        return any(each.path.endswith("/completions") for each in nim.requests[before:]) or None

    def ask() -> str:
        asked = {"question": "When does the comet return to the valley?", "stream": stream}
        with app.client() as client:
            return client.post("/query/run", json=asked).text

    try:
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(ask)
            until(model_is_asked)
            with app.client() as admin:
                deleted = admin.delete(f"/v1/documents/{document}").status_code
            said = asked.result()
    finally:
        nim.token_delay = 0.0

    assert deleted in (202, 204)
    assert '"citations":[]' in said
    assert document not in said
    assert "seventy" not in said


def test_keys_outlive_a_restart_and_who_guesses_is_told_to_wait(make_app: Maker) -> None:
    app = make_app()
    made = new_key(app, "ci", "contributor")
    ended = new_key(app, "old")
    with app.client() as admin:
        admin.delete(f"/v1/keys/{ended['id']}")

    app.stop()
    files = b"".join(p.read_bytes() for p in (app.directory / "data").rglob("*") if p.is_file())
    app.start()

    assert made["key"].rpartition("_")[2].encode() not in files
    assert status(app, made["key"], "GET", "/v1/models") == 200
    codes = [status(app, f"guess-{n}", "GET", "/v1/me") for n in range(40)]
    assert codes[:30] == [401] * 30
    assert set(codes[30:]) == {429}
    # who has a key is not locked out by who guesses beside them
    assert status(app, made["key"], "GET", "/v1/models") == 200


def test_a_user_is_erased_with_everything_known_of_them(app: AppProcess) -> None:
    key = new_key(app, "leaver", "contributor")["key"]
    data = app.directory / "data"
    with app.client(key) as leaver:
        for name in ("LEAVER-ONE.txt", "LEAVER-TWO.txt"):
            text = f"The {name} treasure is at home.".encode()
            sent = leaver.post("/v1/documents", files={"file": (name, text)})
            app.job(sent.json()["jobs"][0]["id"])
    held = b"".join(path.read_bytes() for path in data.glob("journal*"))
    before = app.qdrant.chunks("documents", "LEAVER-ONE.txt")

    with app.client() as admin:
        refused = admin.delete("/v1/documents")
        erased = admin.delete("/v1/documents", params={"owner": "leaver"}).json()
        for job in erased["jobs"]:
            app.job(job)
        later = admin.delete("/v1/documents", params={"owner": "leaver"}).json()

    def gone() -> bool | None:
        left = b"".join(path.read_bytes() for path in data.rglob("*") if path.is_file())
        return b"LEAVER" not in left or None

    assert b"LEAVER-ONE" in held
    assert before == 1
    assert refused.status_code == 422
    assert (erased["erased"], later["erased"]) == (2, 0)
    assert app.qdrant.chunks("documents", "LEAVER-ONE.txt") == 0
    assert until(gone, 30)
    assert status(app, key, "DELETE", "/v1/documents", params={"owner": "x"}) == 403


def test_browsers_are_told_to_do_nothing_with_it(app: AppProcess) -> None:
    strange = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    with app.client() as client, app.client(None) as stranger:
        answers = [
            client.get("/v1/models", headers=strange),
            client.post("/v1/search", json={"query": "x"}, headers=strange),
            client.get("/openapi.json", headers=strange),
            stranger.get("/healthz", headers=strange),
            stranger.options("/v1/search", headers=strange),
            client.options("/v1/search", headers=strange),
        ]

    for answer in answers:
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
    assert [answer.status_code for answer in answers[4:]] == [401, 405]


def test_the_stock_engine_keeps_to_readers_too(make_app: Maker) -> None:
    app = make_app(environment={"RAG_ENGINE": "stock"})
    carol = new_key(app, "carol", groups=["hr"])["key"]
    documents = {}
    for name, readers in (("open.txt", "group:hr"), ("closed.txt", "")):
        with app.client() as admin:
            text = f"The treasure of {name} lies under a tree.".encode()
            sent = admin.post(
                "/v1/documents", files={"file": (name, text)}, data={"readers": readers}
            )
        job = app.job(sent.json()["jobs"][0]["id"])
        documents[name] = str(job["document_id"])

    with app.client(carol) as client:
        hits = client.post("/v1/search", json={"query": "Where is the treasure?"}).json()["hits"]
        said = client.post("/query/run", json={"question": "Where is the treasure?"})
    with app.client() as admin:
        everything = admin.post("/v1/search", json={"query": "Where is the treasure?"}).json()

    assert {hit["document_id"] for hit in hits} == {documents["open.txt"]}
    assert said.status_code == 200
    assert documents["closed.txt"] not in said.text
    assert len(everything["hits"]) == 2
