"""A site's folder in the app's pod."""

from pathlib import Path

import pulumi
import pytest

from infra.components.site import MOST_BYTES, site_files
from tests.infra.conftest import Deploy


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "answer.txt").write_text("{{ passages }} {{ question }}")
    return tmp_path


def test_the_folder_is_mounted_and_named_to_the_app(deploy: Deploy, folder: Path) -> None:
    found = deploy({"app": {"site": str(folder)}})

    pod = found.pods["rag"]
    (container,) = pod["containers"]
    environment = {each["name"]: each["value"] for each in container["env"]}
    (volume,) = [each for each in pod["volumes"] if each["name"] == "site"]
    assert environment["RAG_SITE_DIR"] == "/etc/rag-site"
    assert {"name": "site", "mountPath": "/etc/rag-site", "readOnly": True} in container[
        "volumeMounts"
    ]
    assert volume["configMap"]["items"] == [
        {"key": "prompts.answer.txt", "path": "prompts/answer.txt"}
    ]


def test_without_a_folder_there_is_nothing_of_it(deploy: Deploy) -> None:
    pod = deploy().pods["rag"]

    assert [each for each in pod["volumes"] if each["name"] == "site"] == []


def test_a_folder_that_cannot_be_used_is_told(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(pulumi.RunError, match="which is not a folder"):
        site_files(tmp_path / "nowhere")
    with pytest.raises(pulumi.RunError, match="holds nothing of prompts"):
        site_files(tmp_path / "prompts")
    (folder / "converters").mkdir()
    (folder / "converters" / "large.py").write_text("#" * MOST_BYTES)
    with pytest.raises(pulumi.RunError, match="at most 900000 fit"):
        site_files(folder)
    (folder / "converters" / "large.py").write_bytes(b"\xff")
    with pytest.raises(pulumi.RunError, match="is not text"):
        site_files(folder)
