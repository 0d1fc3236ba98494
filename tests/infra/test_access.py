"""Who may call the service, as a stack says it: what the app is given, and which way is opened."""

import json

import pulumi
import pytest

from tests.infra.conftest import Deploy

OIDC = {"issuer": "https://login.example.org:8443/realms/a", "audience": ["stackyard"]}
KEYS = json.dumps({"keys": [{"kty": "RSA"}]})


def ways_out(deploy: Deploy, oidc: dict[str, object]) -> set[str]:
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
        ({"callerRate": "often"}, "access.callerRate"),
        ({"defaultReaders": "nobody"}, "access.defaultReaders"),
        ({"odic": {}}, "access.odic"),
    ],
)
def test_a_wrong_setting_is_explained(deploy: Deploy, access: dict[str, object], said: str) -> None:
    with pytest.raises(pulumi.RunError, match=said):
        deploy({"access": access})
