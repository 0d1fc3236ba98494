"""Settings are read once, and all problems are told at once."""

from pathlib import Path

import pytest

from local.qdrant.errors import StartError
from local.qdrant.settings import Settings


def test_without_settings_the_defaults_hold() -> None:
    settings = Settings.from_environment({"PATH": "/bin"})

    assert settings.directory == Path("/qdrant/storage")
    assert (settings.host, settings.port) == ("127.0.0.1", 6333)
    assert settings.api_key is None
    assert settings.max_request_bytes == 32 << 20


def test_keys_come_from_files_without_their_line_end(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("secret\n")

    settings = Settings.from_environment({"QDRANT_EDGE_API_KEY_FILE": str(tmp_path / "key")})

    assert settings.api_key == "secret"
    assert "secret" not in repr(settings)


def test_all_problems_are_told_at_once_with_their_values(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    given = {
        "QDRANT_EDGE_PORT": "70000",
        "QDRANT_EDGE_MAX_REQUEST_MB": "lots",
        "QDRANT_EDGE_API_KEY_FILE": str(tmp_path / "missing"),
        "QDRANT_EDGE_READ_ONLY_API_KEY_FILE": str(tmp_path / "empty"),
        "QDRANT_EDGE_DIRECTORY": "/data",
    }

    with pytest.raises(StartError) as raised:
        Settings.from_environment(given)

    told = str(raised.value).splitlines()
    assert "QDRANT_EDGE_PORT is '70000', it must be an integer from 0 to 65535" in told
    assert any("QDRANT_EDGE_MAX_REQUEST_MB is 'lots'" in line for line in told)
    assert any("cannot be read: No such file or directory" in line for line in told)
    assert any("which is an empty file" in line for line in told)
    assert any(line.startswith("QDRANT_EDGE_DIRECTORY is not a setting") for line in told)
    assert told[-1].startswith("hint:")


def test_a_certificate_and_its_key_come_together(tmp_path: Path) -> None:
    (tmp_path / "tls.crt").write_text("a certificate")
    given = {
        "QDRANT_EDGE_TLS_CERT_FILE": str(tmp_path / "tls.crt"),
        "QDRANT_EDGE_TLS_KEY_FILE": str(tmp_path / "tls.key"),
    }

    with pytest.raises(StartError) as missing:
        Settings.from_environment(given)
    del given["QDRANT_EDGE_TLS_KEY_FILE"]
    with pytest.raises(StartError) as alone:
        Settings.from_environment(given)

    assert "QDRANT_EDGE_TLS_KEY_FILE is '" in str(missing.value)
    assert "tls.key', which is not a file" in str(missing.value)
    assert "QDRANT_EDGE_TLS_KEY_FILE is not set, it belongs to the other of" in str(alone.value)
