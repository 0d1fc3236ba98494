"""Settings: all problems at once, each with its variable."""

import os
import ssl
from pathlib import Path

import certifi
import pytest

from app.service import ocr_of
from app.settings import SettingsProblem, load_settings, trust_authorities
from tests.fakes.authority import Authority

GOOD = {
    "RAG_QDRANT_URL": "http://qdrant:6333/",
    "RAG_LLM_URL": "http://llm:8000/v1",
    "RAG_LLM_MODEL": "llm",
    "RAG_EMBEDDING_URL": "http://embedding:8000/v1/",
    "RAG_EMBEDDING_MODEL": "embedding",
    "RAG_EMBEDDING_DIMENSION": "384",
    "RAG_RANKING_URL": "http://ranking:8000/v1",
    "RAG_RANKING_MODEL": "ranking",
    "RAG_ANONYMOUS": "true",
}


def put(monkeypatch: pytest.MonkeyPatch, **changes: str | None) -> None:
    for name, value in (GOOD | changes).items():
        if value is not None:
            monkeypatch.setenv(name, value)


def test_a_complete_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch)

    settings = load_settings()

    assert settings.qdrant_url == "http://qdrant:6333"
    assert settings.embedding_url == "http://embedding:8000/v1"
    assert settings.max_upload_bytes == 100 * 2**20


def test_an_empty_environment_names_every_variable_that_is_missing() -> None:
    with pytest.raises(SettingsProblem) as caught:
        load_settings()

    message = str(caught.value)
    assert message.startswith("8 problem(s) in the environment")
    for name in set(GOOD) - {"RAG_ANONYMOUS"}:
        assert f"{name}: is not set" in message
    assert "hint:" in message


def test_all_problems_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    put(
        monkeypatch,
        RAG_LLM_URL="http://llm:8000",
        RAG_QDRANT_URL="qdrant:6333",
        RAG_EMBEDDING_DIMENSION="many",
        RAG_LLM_API_KEY_FILE="/nowhere/key",
        RAG_MAX_UPLOAD="5",
    )

    with pytest.raises(SettingsProblem) as caught:
        load_settings()

    message = str(caught.value)
    assert "RAG_LLM_URL: is 'http://llm:8000'; it must end in /v1" in message
    assert "RAG_QDRANT_URL: is 'qdrant:6333'; it must begin with http:// or https://" in message
    assert "RAG_EMBEDDING_DIMENSION: Input should be a valid integer" in message
    assert "RAG_LLM_API_KEY_FILE: is '/nowhere/key', which is not a file" in message
    assert "RAG_MAX_UPLOAD: is not a setting; the nearest is RAG_MAX_UPLOAD_MB" in message


def test_without_keys_nobody_is_let_in_unless_it_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    put(monkeypatch, RAG_ANONYMOUS=None)

    with pytest.raises(SettingsProblem, match="RAG_API_KEYS_FILE: is not set"):
        load_settings()

    keys = tmp_path / "keys"
    keys.write_text("a-key\n")
    monkeypatch.setenv("RAG_API_KEYS_FILE", str(keys))
    assert load_settings().api_keys_file == keys


def test_trusted_proxies_are_ranges_of_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, RAG_TRUSTED_PROXIES='["10.0.0.0/8", "proxy"]')

    with pytest.raises(SettingsProblem) as caught:
        load_settings()

    assert "RAG_TRUSTED_PROXIES: has 'proxy': 'proxy' does not appear to be an IPv4" in str(
        caught.value
    )


SIGN_IN = {
    "RAG_OIDC_ISSUER": "https://login.example.org",
    "RAG_OIDC_AUDIENCE": '["stackyard"]',
    "RAG_OIDC_CLIENT_ID": "rag",
}


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("https://RAG.example.org/", "https://rag.example.org"),
        ("https://rag.example.org:443", "https://rag.example.org"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://[::1]:80", "http://[::1]"),
    ],
)
def test_the_public_address_is_written_as_browsers_do(
    monkeypatch: pytest.MonkeyPatch, given: str, taken: str
) -> None:
    put(monkeypatch, **SIGN_IN, RAG_PUBLIC_URL=given)

    assert load_settings().public_url == taken


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"RAG_PUBLIC_URL": None}, "RAG_PUBLIC_URL: is not set; browsers cannot sign in"),
        ({"RAG_PUBLIC_URL": "http://rag.example.org"}, "sessions need https://"),
        ({"RAG_PUBLIC_URL": "http://localhost.evil.example"}, "sessions need https://"),
        ({"RAG_PUBLIC_URL": "https://example.org/rag"}, "without a path"),
        ({"RAG_PUBLIC_URL": "rag.example.org"}, "without a path"),
        ({"RAG_OIDC_ISSUER": None}, "RAG_OIDC_ISSUER: is not set; browsers cannot sign in"),
        ({"RAG_OIDC_SESSION_MINUTES": "0"}, "RAG_OIDC_SESSION_MINUTES"),
        ({"RAG_OIDC_CLIENT_SECRET_FILE": "/nowhere"}, "is '/nowhere', which is not a file"),
        ({"RAG_OIDC_KEYS_FILE": __file__}, "RAG_OIDC_KEYS_FILE: is set, so the provider is not"),
    ],
)
def test_a_sign_in_that_cannot_work_is_explained(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, str | None], said: str
) -> None:
    put(monkeypatch, **(SIGN_IN | {"RAG_PUBLIC_URL": "https://rag.example.org"} | changes))

    with pytest.raises(SettingsProblem) as refused:
        load_settings()

    assert said in str(refused.value)


def test_authorities_are_trusted_besides_the_public_ones(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.setenv(name, "/nowhere")  # and put back afterwards
    put(monkeypatch, RAG_CA_FILE=str(Authority(tmp_path / "ours").file))

    trust_authorities(load_settings())

    public = ssl.create_default_context(cafile=certifi.where()).cert_store_stats()["x509_ca"]
    assert public > 50
    assert ssl.create_default_context().cert_store_stats()["x509_ca"] == public + 1
    assert os.environ["SSL_CERT_FILE"] == os.environ["REQUESTS_CA_BUNDLE"]


def test_a_file_without_authorities_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "ca.pem").write_text("not one")
    put(monkeypatch, RAG_CA_FILE=str(tmp_path / "ca.pem"))

    with pytest.raises(SettingsProblem, match=r"RAG_CA_FILE is '.*ca.pem', which has no certif"):
        trust_authorities(load_settings())


def test_a_tesseract_that_is_asked_for_and_not_there_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    put(monkeypatch, RAG_OCR="tesseract", PATH=str(tmp_path))

    with pytest.raises(SettingsProblem, match=r"RAG_OCR is 'tesseract', and there is none on PATH"):
        ocr_of(load_settings())

    put(monkeypatch, RAG_OCR="auto", PATH=str(tmp_path))
    assert ocr_of(load_settings()) is None


def test_readings_that_do_not_fit_beside_the_app_are_refused_with_both_numbers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put(monkeypatch, RAG_CONVERSION_MB="2048", RAG_MEMORY_MB="3584")

    with pytest.raises(SettingsProblem) as caught:
        load_settings()

    assert (
        "RAG_CONVERSION_MB: is 2048; 2 files are read at once, and with 1024 MB for the app itself "
        "that is 5120 MB, more than RAG_MEMORY_MB, 3584; it may be at most 1280"
    ) in str(caught.value)


def test_a_pod_too_small_for_any_reading_is_told_what_it_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put(monkeypatch, RAG_CONVERSION_MB="256", RAG_MEMORY_MB="1024")

    with pytest.raises(SettingsProblem) as caught:
        load_settings()

    assert "RAG_MEMORY_MB: is 1024; it must be at least 1536" in str(caught.value)
