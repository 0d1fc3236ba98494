"""uv for a machine that has none, with a Python whose pip does what a test says."""

import subprocess
from pathlib import Path

import pytest

from tests.tools.conftest import Yard
from tools.errors import ToolUnavailable
from tools.wheels import FIND_UV, find_uv

# `python3 -m venv FOLDER` makes a pip out of $PIP_SCRIPT
PYTHON = """
if [ "$1" = -c ]; then exit 0; fi
mkdir -p "$3/bin"
cp "$PIP_SCRIPT" "$3/bin/pip"
"""


def test_uv_on_path_is_taken(yard: Yard) -> None:
    own = yard.put("uv", "exit 0")

    assert find_uv() == own


def test_a_python_that_is_too_old_is_told_with_what_is_needed(yard: Yard) -> None:
    for name in ("python3", "python3.11", "python3.12", "python3.13"):
        yard.put(name, 'if [ "$1" = --version ]; then echo Python 3.9.2; else exit 1; fi')

    with pytest.raises(ToolUnavailable) as found:
        find_uv()

    assert str(found.value) == (
        "uv could not be had: Python 3.11 to 3.13 is needed and python3 is Python 3.9.2\n"
        "hint: apt-get install python3 python3-venv, or install uv from https://docs.astral.sh/uv"
    )


def test_pypi_that_does_not_answer_is_told(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    python_with_pip(yard, monkeypatch, "echo no route to host >&2; exit 1")

    with pytest.raises(ToolUnavailable) as found:
        find_uv()

    assert str(found.value).splitlines()[-2:] == [
        "uv 0.13.9 could not be installed from PyPI",
        "hint: check that PyPI or its mirror answers (PIP_INDEX_URL), or put uv on PATH",
    ]


def test_two_runs_at_once_install_it_once(
    yard: Yard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = tmp_path / "tries"
    install = f'sleep 0.2; echo x >> {tries}; uv="${{0%pip}}uv"; : > "$uv"; chmod +x "$uv"'
    python_with_pip(yard, monkeypatch, install)

    runs = [subprocess.Popen([FIND_UV], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [run.communicate(timeout=20)[0] for run in runs]

    assert said == [f"{yard.cache}/uv-0.13.9/bin/uv\n"] * 2
    assert tries.read_text() == "x\n"


def python_with_pip(yard: Yard, monkeypatch: pytest.MonkeyPatch, pip: str) -> None:
    yard.put("python3", PYTHON)
    monkeypatch.setenv("PIP_SCRIPT", str(yard.put("pip-script", pip)))
