"""The environment that infra gives is the one that the servers read; neither imports the other."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.settings import PREFIX, Settings, load_settings
from tests.infra.conftest import Deploy, deploy, no_machine

__all__ = ["deploy", "no_machine"]  # fixtures

ROOT = Path(__file__).parents[2]
READ = {f"{PREFIX}{field.upper()}": info for field, info in Settings.model_fields.items()}
HOSTED = {"models": {"kind": "hosted"}}


def given(deploy: Deploy, workload: str, *, hosted: bool = False) -> dict[str, str]:
    found = deploy(HOSTED, secrets={"nvidiaApiKey": "k"}) if hosted else deploy()
    (container,) = found.pods[workload]["containers"]
    return {each["name"]: each["value"] for each in container["env"]}


def texts(room: str) -> Iterator[str]:
    """Yield every string of a room's code; of an f-string with PREFIX, what stands after it."""
    for path in sorted((ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


@pytest.mark.parametrize("hosted", [False, True], ids=["local", "hosted"])
def test_the_app_knows_every_variable_that_it_is_given(
    deploy: Deploy,
    hosted: bool,
) -> None:
    assert given(deploy, "rag", hosted=hosted).keys() <= READ.keys()


@pytest.mark.parametrize("hosted", [False, True], ids=["local", "hosted"])
def test_the_app_is_given_every_variable_that_it_needs(
    deploy: Deploy,
    hosted: bool,
) -> None:
    needed = {name for name, info in READ.items() if info.is_required()}

    assert needed <= given(deploy, "rag", hosted=hosted).keys()


@pytest.mark.parametrize("hosted", [False, True], ids=["local", "hosted"])
def test_the_app_accepts_the_values(
    deploy: Deploy,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    hosted: bool,
) -> None:
    for name, value in given(deploy, "rag", hosted=hosted).items():
        file = tmp_path / name
        file.write_text("key")
        monkeypatch.setenv(name, str(file) if name.endswith("_FILE") else value)

    settings = load_settings()

    assert settings.host == "0.0.0.0"
    assert settings.api_keys_file == tmp_path / "RAG_API_KEYS_FILE"
    assert (settings.llm_api_key_file is not None) == hosted


def test_a_helper_of_a_bulk_load_is_given_what_the_app_is(deploy: Deploy) -> None:
    found = deploy({"app": {"bulkWorkers": 2}})
    pod = found["rag-bulk"].inputs["spec"]["jobTemplate"]["spec"]["template"]["spec"]

    assert pod["containers"][0]["env"] == found.pods["rag"]["containers"][0]["env"]
    assert (ROOT / "app" / "worker.py").is_file()


def test_the_app_understands_a_provider_as_a_stack_names_it(
    deploy: Deploy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    oidc = {
        "issuer": "https://login.example.org/realms/a",
        "audience": ["stackyard", "https://rag.example.org"],
        "groupsClaim": "roles",
        "admins": ["ops"],
        "contributors": ["writers"],
        "keys": '{"keys": [{"kty": "RSA"}]}',
    }
    access = {"oidc": oidc, "callerRate": "60/minute", "defaultReaders": "owner"}
    found = deploy({"access": access})
    (container,) = found.pods["rag"]["containers"]
    environment = {each["name"]: each["value"] for each in container["env"]}
    assert environment.keys() <= READ.keys()
    for name, value in environment.items():
        file = tmp_path / name
        file.write_text("key")
        monkeypatch.setenv(name, str(file) if name.endswith("_FILE") else value)

    settings = load_settings()

    assert settings.oidc_issuer == oidc["issuer"]
    assert settings.oidc_audience == oidc["audience"]
    assert settings.oidc_groups_claim == "roles"
    assert settings.oidc_roles == {"admin": ["ops"], "contributor": ["writers"], "reader": ["*"]}
    assert (settings.caller_rate, settings.default_readers) == ("60/minute", "owner")
    assert settings.oidc_keys_file is not None


def test_the_app_understands_a_sign_in_as_a_stack_names_it(
    deploy: Deploy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = {"clientId": "rag", "scopes": ["groups"], "sessionMinutes": 480}
    oidc = {"issuer": "https://login.example.org", "audience": ["stackyard"], "login": login}
    secret = {"oidcClientSecret": "a-secret-of-the-client"}
    found = deploy({"access": {"oidc": oidc}}, secrets=secret)
    (container,) = found.pods["rag"]["containers"]
    environment = {each["name"]: each["value"] for each in container["env"]}
    assert environment.keys() <= READ.keys()
    assert "a-secret" not in str(environment)
    for name, value in environment.items():
        file = tmp_path / name
        file.write_text("key")
        monkeypatch.setenv(name, str(file) if name.endswith("_FILE") else value)

    settings = load_settings()

    assert settings.public_url == found.exports["url"]
    assert (settings.oidc_client_id, settings.oidc_scopes) == ("rag", ["groups"])
    assert settings.oidc_session_minutes == 480
    assert settings.oidc_client_secret_file is not None


@pytest.mark.parametrize("role", ["llm", "embedding", "ranking"])
def test_the_model_server_reads_what_it_is_given(
    deploy: Deploy,
    role: str,
) -> None:
    environment = given(deploy, role)
    read = set(texts("local/models"))

    assert environment["LOCAL_MODELS_ROLE"] == role
    assert {name.removeprefix("LOCAL_MODELS_") for name in environment} <= read


def test_the_models_that_the_app_asks_for_are_those_that_are_served(
    deploy: Deploy,
) -> None:
    environment = given(deploy, "rag")
    served = set(texts("local/models"))

    for role in ("LLM", "EMBEDDING", "RANKING"):
        assert environment[f"RAG_{role}_MODEL"] in served
