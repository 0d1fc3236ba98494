"""The executable that the engine finds on PATH."""

import os
import subprocess
from pathlib import Path

import pytest

from tools.standin.install import NAME, plugin_directory


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STACKYARD_CACHE", str(tmp_path))


def test_the_executable_starts_a_plugin_that_prints_its_port() -> None:
    environment = {"PATH": "", "HOME": os.environ["HOME"]}
    command = [str(plugin_directory() / NAME), "127.0.0.1:1"]

    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, cwd="/") as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        process.terminate()

    assert port > 0


def test_a_second_call_gives_the_same_folder_and_mends_it() -> None:
    folder = plugin_directory()
    (folder / NAME).write_text("broken")

    assert plugin_directory() == folder
    assert (folder / NAME).read_text().startswith("#!")
    assert [path.name for path in folder.iterdir()] == [NAME]
