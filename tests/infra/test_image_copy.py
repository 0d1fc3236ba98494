"""Copies into a registry at AWS: by skopeo, with keys that no command line shows."""

import os
from pathlib import Path

import pytest

from infra.command import Trouble
from infra.components.image_copy import copy
from infra.images.ecr import log_docker_in, password

ECR = "111122223333.dkr.ecr.eu-central-1.amazonaws.com"
TOOL = """#!/bin/sh
echo "$(basename "$0") $*" >> "$CALLS"
case "$1 $2" in
  "ecr get-login-password") echo token-of-aws ;;
  "login "*) cat >> "$CALLS.given"; echo >> "$CALLS.given" ;;
  "copy --all") test -z "$FAIL" || { echo "unauthorized: $FAIL" >&2; exit 1; } ;;
esac
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put tools that write down how they are called first on PATH."""
    for name in ("aws", "docker", "skopeo"):
        tool = tmp_path / name
        tool.write_text(TOOL)
        tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.setenv("FAIL", "")
    return tmp_path / "calls"


def test_an_image_of_nvidia_is_copied_with_both_keys_and_none_is_shown(calls: Path) -> None:
    copy("nvcr.io/nim/x:1", f"{ECR}/stackyard-prod/nim/x:1", "nvapi-ngc")

    said = calls.read_text()
    assert "nvapi-ngc" not in said
    assert "token-of-aws" not in said
    given = Path(f"{calls}.given").read_text().split()
    assert given == ["token-of-aws", "nvapi-ngc"]
    lines = said.splitlines()
    assert lines[0] == "aws ecr get-login-password --region eu-central-1"
    assert lines[-1].startswith("skopeo copy --all --authfile ")
    assert lines[-1].endswith(f"docker://nvcr.io/nim/x:1 docker://{ECR}/stackyard-prod/nim/x:1")


def test_the_key_of_nvidia_goes_to_no_other_registry(calls: Path) -> None:
    copy("qdrant/qdrant:v1", f"{ECR}/stackyard-prod/qdrant/qdrant:v1", "nvapi-ngc")

    assert Path(f"{calls}.given").read_text().split() == ["token-of-aws"]


def test_a_failed_copy_says_what_skopeo_said_and_what_to_try(
    calls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIL", "402 payment required")

    with pytest.raises(Trouble, match="402 payment required") as caught:
        copy("nvcr.io/nim/x:1", f"{ECR}/x:1", None)

    assert "hint: skopeo inspect --raw docker://nvcr.io/nim/x:1" in str(caught.value)


def test_docker_is_logged_in_at_aws_only(calls: Path) -> None:
    log_docker_in("registry.example.com")
    assert not calls.exists()

    log_docker_in(ECR)

    assert calls.read_text().splitlines()[-1] == (
        f"docker login --username AWS --password-stdin {ECR}"
    )
    assert password("localhost:5000") is None
