"""Who may call the service, as a stack says it: what the app is given, and which way is opened."""

import json
from collections.abc import Mapping

import pulumi
import pytest

from infra.problems.of_access import access_problems
from infra.schema import Settings
from tests.infra.conftest import Deploy

OIDC = {"issuer": "https://login.example.org:8443/realms/a", "audience": ["stackyard"]}
LOGIN = {"clientId": "rag"}
KEYS = json.dumps({"keys": [{"kty": "RSA"}]})


def ways_out(deploy: Deploy, oidc: Mapping[str, object]) -> set[str]:
    found = deploy({"access": {"oidc": oidc}})
    return {each.inputs["metadata"]["name"] for each in found.of("NetworkPolicy")}


def test_the_way_to_the_provider_is_open_only_where_it_is_asked(deploy: Deploy) -> None:
    asked = {name for name in ways_out(deploy, OIDC) if "identity-provider" in name}
    sealed = {name for name in ways_out(deploy, OIDC | {"keys": KEYS}) if "identity" in name}

    assert len(asked) == 1
    assert sealed == set()


def test_the_keys_of_a_sealed_site_are_a_file(deploy: Deploy) -> None:
    found = deploy({"access": {"oidc": OIDC | {"keys": KEYS}}})

    (secret,) = [s for s in found.of("Secret") if "api-keys" in s.inputs.get("stringData", {})]
    assert secret.inputs["stringData"]["oidc-keys.json"] == KEYS


@pytest.mark.parametrize(
    ("access", "said"),
    [
        ({"oidc": {"issuer": "https://a.example"}}, "access.oidc.audience"),
        ({"oidc": {"issuer": "https://a.example", "audience": []}}, "access.oidc.audience"),
        ({"oidc": OIDC | {"issuer": "http://a.example"}}, "over plain HTTP"),
        ({"oidc": OIDC | {"keys": "[]"}}, "is not a JWKS"),
        ({"oidc": OIDC | {"keys": "{"}}, "is not a JWKS"),
        ({"oidc": OIDC | {"login": {}}}, "access.oidc.login.clientId"),
        ({"oidc": OIDC | {"keys": KEYS, "login": LOGIN}}, "access.oidc.keys: is set"),
        ({"callerRate": "often"}, "access.callerRate"),
        ({"defaultReaders": "nobody"}, "access.defaultReaders"),
        ({"odic": {}}, "access.odic"),
    ],
)
def test_a_wrong_setting_is_explained(deploy: Deploy, access: dict[str, object], said: str) -> None:
    with pytest.raises(pulumi.RunError, match=said):
        deploy({"access": access})


def test_the_secret_of_a_client_is_a_file_and_a_public_client_has_none(deploy: Deploy) -> None:
    oidc = {"access": {"oidc": OIDC | {"login": LOGIN}}}
    files = []
    for secrets in ({"oidcClientSecret": "very-secret"}, {}):
        found = deploy(oidc, secrets=secrets)
        (secret,) = [s for s in found.of("Secret") if "api-keys" in s.inputs.get("stringData", {})]
        files.append(secret.inputs["stringData"].get("oidc-client-secret"))

    assert files == ["very-secret", None]


def test_a_secret_of_no_client_is_explained(deploy: Deploy) -> None:
    with pytest.raises(pulumi.RunError, match=r"login\.clientId: is not set"):
        deploy({"access": {"oidc": OIDC}}, secrets={"oidcClientSecret": "very-secret"})


@pytest.mark.parametrize(
    ("app", "said"),
    [
        ({}, ["app.url: is not set; with stackyard:access.oidc.login"]),
        ({"url": "https://rag.example.org"}, []),
        ({"url": "http://127.0.0.1:8080"}, []),
        ({"url": "http://rag.example.org"}, ["come by https"]),
        ({"url": "https://example.org/rag"}, ["has no path"]),
    ],
)
def test_browsers_come_back_to_a_whole_host_by_https(
    app: dict[str, object], said: list[str]
) -> None:
    cluster = {"kind": "existing", "context": "here"}
    access = {"oidc": OIDC | {"login": LOGIN}}
    settings = Settings.model_validate({"cluster": cluster, "app": app, "access": access})

    found = list(access_problems(settings, frozenset()))

    assert len(found) == len(said)
    assert all(text in problem for text, problem in zip(said, found, strict=True))
