"""A build takes its base from a registry that asks for a login: of today, and shown nowhere."""

import os
from pathlib import Path

import pytest

from infra.command import Trouble
from infra.images.build import build_and_push
from infra.images.recipe import RECIPES

OWN = "111122223333.dkr.ecr.eu-central-1.amazonaws.com"
OTHER = "444455556666.dkr.ecr.us-east-1.amazonaws.com"
DIGEST = "sha256:" + "c" * 64
# a Docker that builds on a base at AWS only after a login there, by the token that AWS gave last
TOOL = f"""#!/bin/sh
echo "$(basename "$0") $*" >> "$CALLS"
case "$(basename "$0") $1" in
  "aws ecr") echo "token-$4" ;;
  "docker login") cat > "$KEYS/$5" ;;
  "docker build")
    host=${{3#BASE=}}; host=${{host%%/*}}
    case "$host" in *.amazonaws.com)
      test -f "$KEYS/$host" || {{ echo "no basic auth credentials" >&2; exit 1; }} ;;
    esac ;;
  "docker push") echo "latest: digest: {DIGEST} size: 1" ;;
esac
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a docker and an aws first on PATH that write down how they are called."""
    (tmp_path / "keys").mkdir()
    for name in ("aws", "docker"):
        tool = tmp_path / name
        tool.write_text(TOOL)
        tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.setenv("KEYS", str(tmp_path / "keys"))
    monkeypatch.setenv("STACKYARD_CACHE", str(tmp_path / "cache"))
    return tmp_path / "calls"


def test_a_base_at_aws_is_pulled_by_a_login_of_now_that_no_command_shows(calls: Path) -> None:
    base = f"{OWN}/stackyard-prod/library/python:3.11"

    found = build_and_push(RECIPES["importer"], f"{OWN}/stackyard-prod/importer:1", base)

    assert found == DIGEST
    said = [line.split()[:2] for line in calls.read_text().splitlines()]
    assert said == [["aws", "ecr"], ["docker", "login"], ["docker", "build"], ["docker", "push"]]
    assert "token" not in calls.read_text()
    assert (calls.parent / "keys" / OWN).read_text() == "token-eu-central-1"


def test_a_base_in_another_account_has_a_login_of_its_own(calls: Path) -> None:
    build_and_push(RECIPES["importer"], f"{OWN}/stackyard-prod/importer:1", f"{OTHER}/base:1")

    keys = {each.name: each.read_text() for each in (calls.parent / "keys").iterdir()}
    assert keys == {OWN: "token-eu-central-1", OTHER: "token-us-east-1"}


def test_a_registry_of_the_site_is_the_users_to_log_in_at(calls: Path) -> None:
    build_and_push(RECIPES["importer"], "r.example.com/importer:1", "r.example.com/python:3.11")

    assert [line.split()[:2] for line in calls.read_text().splitlines()] == [
        ["docker", "build"],
        ["docker", "push"],
    ]


def test_a_refused_token_ends_the_build_before_it_begins(calls: Path) -> None:
    (calls.parent / "aws").write_text("#!/bin/sh\necho Unable to locate credentials >&2; exit 253")

    with pytest.raises(Trouble, match="Unable to locate credentials") as caught:
        build_and_push(RECIPES["importer"], f"{OWN}/importer:1", f"{OWN}/python:3.11")

    assert "hint: aws sts get-caller-identity" in str(caught.value)
    assert not calls.exists()
