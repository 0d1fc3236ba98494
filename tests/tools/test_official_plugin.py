"""The official Kubernetes provider: found, downloaded by Pulumi, or absent."""

import os
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.tools.conftest import Yard
from tests.tools.download_server import DownloadServer
from tools import official_plugin

INSTALLED = f"plugins/resource-kubernetes-v{official_plugin.VERSION}"
ARCHIVE = "{0.netloc}{0.path}".format(urlsplit(official_plugin.ARCHIVE))


def test_it_is_found_where_pulumi_keeps_it(yard: Yard) -> None:
    kept = kept_plugin()

    assert official_plugin.find() == kept


def test_a_half_downloaded_one_is_not_taken(yard: Yard) -> None:
    kept = kept_plugin()
    kept.parent.with_name(f"{kept.parent.name}.partial").touch()  # as the engine marks it

    assert official_plugin.find() is None


def test_a_binary_on_path_is_official_and_a_script_is_not(yard: Yard) -> None:
    script = yard.put(official_plugin.EXECUTABLE, "exit 0")
    as_script = official_plugin.find()
    script.write_bytes(b"\x7fELF...")

    assert as_script is None
    assert official_plugin.find() == script


@pytest.mark.usefixtures("closed_port")
def test_without_downloads_pulumi_is_not_even_asked(yard: Yard) -> None:
    asked = yard.path / "asked"
    yard.put("pulumi", f"touch {asked}")

    assert official_plugin.find_or_download() is None
    assert not asked.exists()


def test_pulumi_installs_it_from_the_mirror(yard: Yard, server: DownloadServer) -> None:
    server.files[f"/{ARCHIVE}"] = b"archive"
    asked = yard.path / "asked"
    folder = f"$PULUMI_HOME/{INSTALLED}"
    yard.put(
        "pulumi",
        f'echo "$@" > {asked}\nmkdir -p {folder}; echo x > {folder}/{official_plugin.EXECUTABLE}',
    )

    found = official_plugin.find_or_download()

    assert found == Path(os.environ["PULUMI_HOME"], INSTALLED, official_plugin.EXECUTABLE)
    assert asked.read_text() == (
        f"plugin install resource kubernetes {official_plugin.VERSION} "
        f"--server {server.url}/get.pulumi.com/releases/plugins\n"
    )


def test_a_failed_install_is_told_in_one_line(
    yard: Yard, server: DownloadServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.files[f"/{ARCHIVE}"] = b"archive"
    yard.put("pulumi", "echo 'error: unexpected EOF' >&2; exit 1")

    assert official_plugin.find_or_download() is None
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"pulumi-resource-kubernetes {official_plugin.VERSION} was not installed: "
        "error: unexpected EOF"
    )


def kept_plugin() -> Path:
    kept = Path(os.environ["PULUMI_HOME"], INSTALLED, official_plugin.EXECUTABLE)
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"\x7fELF")
    return kept
