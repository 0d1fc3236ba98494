"""Checks of images, against a stand-in registry with token authentication."""

import pytest

from stackyard.checks.finding import Finding
from stackyard.checks.registry import Credentials, base_url, images, ngc_key
from tests.stackyard.fake_registry import FakeRegistry

IMAGE = "nim/meta/llama-3.1-8b-instruct"


@pytest.fixture(autouse=True)
def one_image(registry: FakeRegistry) -> None:
    registry.images = {f"{IMAGE}:2.0.13"}
    registry.users = {"robot": "right"}


def check(registry: FakeRegistry, password: str | None = "right", tag: str = "2.0.13") -> Finding:
    given = {registry.host: Credentials("robot", password)} if password else {}
    (finding,) = images({"llm": f"{registry.host}/{IMAGE}:{tag}"}, given)
    return finding


def test_an_image_that_may_be_pulled_is_fine(registry: FakeRegistry) -> None:
    finding = check(registry)

    assert finding.status == "ok"
    assert finding.what.endswith("is there (sha256:aaaaaaaaaaaa)")


def test_only_the_manifests_head_and_a_token_are_asked_for(registry: FakeRegistry) -> None:
    check(registry)

    assert [method for method, _ in registry.requests] == ["HEAD", "GET", "HEAD"]
    assert "scope=repository%3Anim%2Fmeta%2Fllama-3.1-8b-instruct%3Apull" in registry.requests[1][1]


def test_a_public_image_needs_no_key(registry: FakeRegistry) -> None:
    registry.anonymous = True

    assert check(registry, password=None).status == "ok"


@pytest.mark.parametrize(
    ("password", "tag", "token", "pull", "says"),
    [
        ("wrong", "2.0.13", None, None, "answers 401: the key is refused"),
        (None, "2.0.13", None, None, "answers 401: it wants a key, and none is set"),
        ("right", "9.9.9", None, None, "answers 404: no such image or tag"),
        ("right", "2.0.13", 402, None, "answers 402: the key's org has no licence for it"),
        ("right", "2.0.13", None, 403, "answers 403: the key may not pull it"),
        ("right", "2.0.13", None, 429, "answers 429: too many requests"),
    ],
)
def test_a_refusal_says_which_of_the_known_causes_it_is(
    registry: FakeRegistry,
    password: str | None,
    tag: str,
    token: int | None,
    pull: int | None,
    says: str,
) -> None:
    registry.token_status, registry.pull_status = token, pull

    finding = check(registry, password, tag)

    assert finding.status == "problem"
    assert says in finding.what
    assert finding.fix


def test_a_password_is_never_shown(registry: FakeRegistry) -> None:
    finding = check(registry, password="a-secret")

    assert "a-secret" not in repr(finding)
    assert "a-secret" not in repr(Credentials("robot", "a-secret"))


def test_a_registry_that_does_not_answer_is_a_problem_with_the_command_to_try() -> None:
    (finding,) = images({"qdrant": "127.0.0.1:1/qdrant/qdrant:v1"}, {})

    assert finding.status == "problem"
    assert finding.fix == "curl -sI http://127.0.0.1:1/v2/"


def test_a_name_that_is_not_found_is_told_from_a_registry_that_is_down() -> None:
    (finding,) = images({"qdrant": "registry.invalid/qdrant/qdrant:v1"}, {})

    assert finding.what == "qdrant: the name registry.invalid is not found"


def test_something_that_is_no_reference_is_a_problem() -> None:
    (finding,) = images({"llm": "Nvcr.io/NIM:1"}, {})

    assert finding.status == "problem"


def test_only_this_machine_is_asked_without_tls() -> None:
    assert base_url("localhost:5000") == "http://localhost:5000"
    assert base_url("nvcr.io") == "https://nvcr.io"
    assert base_url("docker.io") == "https://registry-1.docker.io"


@pytest.mark.parametrize(
    ("key", "needed", "preloaded", "statuses"),
    [
        (None, False, False, []),
        (None, True, True, ["ok"]),
        (None, True, False, ["problem"]),
        ("nvapi-abc ", True, False, ["problem"]),
        ("nvapi-abc", True, False, ["ok"]),
    ],
)
def test_a_key_of_nvidia_is_needed_where_files_are_fetched(
    key: str | None, needed: bool, preloaded: bool, statuses: list[str]
) -> None:
    found = list(ngc_key(key, needed=needed, preloaded=preloaded))

    assert [finding.status for finding in found] == statuses
