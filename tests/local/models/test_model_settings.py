"""The environment of the model server."""

from pathlib import Path

import pytest

from local.models.cpu import cpu_count
from local.models.settings import SettingsError, load_settings, load_store_settings, weights_cache


def test_without_variables_all_roles_are_served_on_port_8000() -> None:
    settings = load_settings({})

    assert settings.roles == ("llm", "embedding", "ranking")
    assert settings.port == 8000
    assert settings.weights == Path("/opt/weights")
    assert settings.fail_rate == 0.0


def test_every_variable_is_read() -> None:
    settings = load_settings(
        {
            "LOCAL_MODELS_ROLE": "ranking",
            "LOCAL_MODELS_HOST": "127.0.0.1",
            "LOCAL_MODELS_PORT": "0",
            "LOCAL_MODELS_WEIGHTS": "/w",
            "LOCAL_MODELS_THREADS": "3",
            "LOCAL_MODELS_QUEUE": "0",
            "LOCAL_MODELS_MAX_INPUTS": "9",
            "LOCAL_MODELS_LATENCY_MS": "5",
            "LOCAL_MODELS_FAIL_RATE": "0.5",
            "LOCAL_MODELS_FAIL_STATUS": "429",
            "LOCAL_MODELS_READY_DELAY_S": "1.5",
            "NIM_CACHE_PATH": "/c",
            "NIM_SERVED_MODEL_NAME": "nvidia/ranker",
        }
    )

    assert settings.roles == ("ranking",)
    assert (settings.host, settings.port) == ("127.0.0.1", 0)
    assert (settings.weights, settings.nim_cache) == (Path("/w"), Path("/c"))
    assert (settings.threads, settings.queue, settings.max_inputs) == (3, 0, 9)
    assert (settings.latency_ms, settings.ready_delay_s) == (5, 1.5)
    assert (settings.fail_rate, settings.fail_status) == (0.5, 429)
    assert settings.names("ranking") == ("nvidia/ranker", "stackyard/minilm-lexical-ranker")


def test_all_problems_are_told_at_once_with_value_and_choice() -> None:
    environment = {
        "LOCAL_MODELS_ROLE": "chat",
        "LOCAL_MODELS_PORT": "http",
        "LOCAL_MODELS_FAIL_RATE": "2",
        "LOCAL_MODELS_WEIGHTS": "",
    }

    with pytest.raises(SettingsError) as caught:
        load_settings(environment)

    lines = str(caught.value).splitlines()
    assert lines[0] == "LOCAL_MODELS_ROLE is 'chat': expected llm, embedding, ranking or all"
    assert lines[1] == "LOCAL_MODELS_PORT is 'http': expected 0 to 65535"
    assert lines[2] == "LOCAL_MODELS_WEIGHTS is '': expected a directory"
    assert lines[3] == "LOCAL_MODELS_FAIL_RATE is '2': expected 0.0 to 1.0"
    assert lines[4].startswith("hint: ")


def test_one_name_cannot_be_given_to_three_models() -> None:
    with pytest.raises(SettingsError, match="NIM_SERVED_MODEL_NAME is 'x'"):
        load_settings({"NIM_SERVED_MODEL_NAME": "x"})


def test_a_download_needs_a_store_and_a_cache() -> None:
    with pytest.raises(SettingsError) as caught:
        load_store_settings({})

    assert "LOCAL_MODELS_STORE_URL is not set" in str(caught.value)
    assert "NIM_CACHE_PATH is not set" in str(caught.value)


def test_a_store_address_must_be_http() -> None:
    environment = {"LOCAL_MODELS_STORE_URL": "file:///etc", "NIM_CACHE_PATH": "/c"}

    with pytest.raises(SettingsError, match=r"LOCAL_MODELS_STORE_URL is 'file:///etc'"):
        load_store_settings(environment)


def test_the_cache_of_weights_can_be_moved() -> None:
    assert weights_cache({"STACKYARD_CACHE": "/x"}) == Path("/x")
    assert weights_cache({}) == Path.home() / ".cache" / "stackyard"


def test_a_quota_lowers_the_threads(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("50000 100000\n")

    assert cpu_count(tmp_path) == 1


def test_an_old_quota_lowers_the_threads(tmp_path: Path) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("100000\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")

    assert cpu_count(tmp_path) == 1


@pytest.mark.parametrize("limit", ["max 100000", "6400000 100000"])
def test_no_quota_or_a_large_one_leaves_all_cpus(tmp_path: Path, limit: str) -> None:
    free = cpu_count(tmp_path)
    (tmp_path / "cpu.max").write_text(limit)

    assert cpu_count(tmp_path) == free


def test_tls_is_asked_for_as_a_nim_is(tmp_path: Path) -> None:
    key, certificate = tmp_path / "tls.key", tmp_path / "tls.crt"
    key.write_text("key")
    certificate.write_text("certificate")
    asked = {"NIM_SSL_MODE": "TLS", "NIM_SSL_KEY_PATH": str(key)}

    with pytest.raises(SettingsError) as caught:
        load_settings(asked)
    settings = load_settings({**asked, "NIM_SSL_CERTS_PATH": str(certificate)})

    assert settings.tls == (key, certificate)
    assert str(caught.value).splitlines()[0] == (
        "NIM_SSL_CERTS_PATH is not set: expected a PEM file, with NIM_SSL_MODE 'TLS'"
    )
    with pytest.raises(SettingsError, match=r"NIM_SSL_MODE is 'MTLS': expected DISABLED or TLS"):
        load_settings({"NIM_SSL_MODE": "MTLS"})
