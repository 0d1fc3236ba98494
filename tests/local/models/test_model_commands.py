"""The commands as a user types them: every failure is a sentence, a hint and a status."""

import os
import socket
import subprocess
import sys
from pathlib import Path

from local.models import catalog


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def empty_weights(directory: Path) -> str:
    """Files of the right size that hold nothing."""
    for file in catalog.files_of(("embedding",)):
        with (directory / file.name).open("wb") as stream:
            stream.truncate(file.size)
    return str(directory)


def test_without_weights_the_server_says_how_to_get_them(tmp_path: Path) -> None:
    done = run("local.models", LOCAL_MODELS_WEIGHTS=str(tmp_path), NIM_CACHE_PATH=str(tmp_path))

    assert done.returncode == 1
    assert done.stderr.startswith(f"no weights: {tmp_path} lacks smollm2.gguf")
    assert "hint: " in done.stderr
    assert "Traceback" not in done.stderr


def test_wrong_settings_end_before_anything_starts() -> None:
    done = run("local.models", "serve", LOCAL_MODELS_PORT="eighty")

    assert done.returncode == 1
    assert done.stderr.startswith("LOCAL_MODELS_PORT is 'eighty': expected 0 to 65535")


def test_a_port_in_use_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run(
            "local.models",
            LOCAL_MODELS_ROLE="embedding",
            LOCAL_MODELS_WEIGHTS=empty_weights(tmp_path),
            LOCAL_MODELS_HOST="127.0.0.1",
            LOCAL_MODELS_PORT=port,
        )

    assert done.returncode == 1
    assert done.stderr.startswith(f"cannot listen on 127.0.0.1 port {port}: Address already in use")


def test_damaged_weights_end_the_server_with_status_1(tmp_path: Path) -> None:
    done = run(
        "local.models",
        LOCAL_MODELS_ROLE="embedding",
        LOCAL_MODELS_WEIGHTS=empty_weights(tmp_path),
        LOCAL_MODELS_HOST="127.0.0.1",
        LOCAL_MODELS_PORT="0",
    )

    assert done.returncode == 1
    assert "minilm.onnx, tokenizer.json is not what was published" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_download_without_a_store_says_which_variable_is_missing(tmp_path: Path) -> None:
    done = run("local.models", "download-to-cache", NIM_CACHE_PATH=str(tmp_path))

    assert done.returncode == 1
    assert done.stderr.startswith("LOCAL_MODELS_STORE_URL is not set")


def test_a_store_of_an_empty_directory_is_refused(tmp_path: Path) -> None:
    done = run("local.models", "model-store", str(tmp_path))

    assert done.returncode == 1
    assert done.stderr.startswith(f"{tmp_path} holds no weights")


def test_loading_the_engines_writes_nothing_home_and_reports_to_nobody(tmp_path: Path) -> None:
    code = "import local.models.embedder, local.models.generator"

    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert list(tmp_path.iterdir()) == []


def test_a_certificate_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    for name in ("tls.key", "tls.crt"):
        (tmp_path / name).write_text("not one")
    done = run(
        "local.models",
        LOCAL_MODELS_ROLE="embedding",
        LOCAL_MODELS_WEIGHTS=empty_weights(tmp_path),
        LOCAL_MODELS_HOST="127.0.0.1",
        LOCAL_MODELS_PORT="0",
        NIM_SSL_MODE="TLS",
        NIM_SSL_KEY_PATH=str(tmp_path / "tls.key"),
        NIM_SSL_CERTS_PATH=str(tmp_path / "tls.crt"),
    )

    assert done.returncode == 1
    assert f"NIM_SSL_CERTS_PATH is '{tmp_path / 'tls.crt'}', which cannot be used" in done.stderr
    assert "Traceback" not in done.stderr
