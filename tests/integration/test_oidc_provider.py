"""Tokens of a real, certified provider, over real HTTP, before and after it changes its keys."""

import json
import time
from collections.abc import Iterator

import pytest

from tests.app.process import AppProcess
from tests.fakes.provider import RESOURCE, OidcProvider
from tests.integration.conftest import Maker

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def provider() -> Iterator[OidcProvider]:
    with OidcProvider() as started:
        yield started


def status(app: AppProcess, key: str, path: str = "/v1/me") -> int:
    with app.client(key) as client:
        return client.get(path).status_code


def test_people_and_programs_of_a_real_provider(make_app: Maker, provider: OidcProvider) -> None:
    roles = {"admin": ["ops"], "contributor": ["writers"], "reader": ["*"]}
    app = make_app(
        environment={
            "RAG_OIDC_ISSUER": provider.issuer,
            "RAG_OIDC_AUDIENCE": json.dumps([RESOURCE]),
            "RAG_OIDC_ROLES": json.dumps(roles),
        }
    )
    alice, bob, robot = (
        provider.user_token("alice"),
        provider.user_token("bob"),
        provider.machine_token(),
    )

    found = {}
    for name, token in (("alice", alice), ("bob", bob), ("robot", robot)):
        with app.client(token) as client:
            found[name] = client.get("/v1/me").json()
    assert {name: me["role"] for name, me in found.items()} == {
        "alice": "contributor", "bob": "reader", "robot": "admin",
    }  # fmt: skip
    assert found["alice"]["groups"] == ["hr", "writers"]
    assert status(app, alice[:-6] + "AAAAAA") == 401
    assert status(app, bob, "/v1/keys") == 403

    with app.client(alice) as client:
        upload = client.post(
            "/v1/documents",
            files={"file": ("plan.txt", b"The bridge opens in the spring of 2031.")},
            data={"readers": ""},
        )
    app.job(upload.json()["jobs"][0]["id"])
    asked = {"query": "When does the bridge open?"}
    with app.client(alice) as hers, app.client(bob) as his:
        assert len(hers.post("/v1/search", json=asked).json()["hits"]) == 1
        assert his.post("/v1/search", json=asked).json()["hits"] == []

    provider.stop()
    assert status(app, alice) == 200  # its keys are known
    provider.start()
    again = provider.user_token("alice")
    # it is asked anew ten seconds after the last time; who tries more often than every two seconds
    # is taken for somebody who guesses
    for _ in range(10):
        if status(app, again) == 200:
            break
        time.sleep(2)
    assert status(app, again) == 200
    assert status(app, alice) == 401
    assert any(json.loads(line).get("via") == "oidc" for line in app.output if "audit" in line)
