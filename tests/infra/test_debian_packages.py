"""Debian's packages in an image's list of software."""

import json
from pathlib import Path

import pytest

from infra.images import debian_packages

STATUS = """Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.36-9+deb12u10
Description: GNU C Library
 Package: this line belongs to the description

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1
"""
REF = "pkg:deb/debian/libc6@2.36-9%2Bdeb12u10?arch=amd64"


def test_what_is_installed_is_listed_once_beside_what_was_listed(tmp_path: Path) -> None:
    (tmp_path / "status").write_text(STATUS)
    python = {"bom-ref": "aiohttp-1", "name": "aiohttp", "version": "3.1"}
    found = list(debian_packages.packages(tmp_path))

    listed = debian_packages.add({"specVersion": "1.6", "components": [python]}, found + found)

    assert listed["specVersion"] == "1.6"
    assert [each["bom-ref"] for each in listed["components"]] == ["aiohttp-1", REF]
    assert listed["components"][1]["version"] == "2.36-9+deb12u10"


def test_the_many_files_of_a_distroless_base_are_read(tmp_path: Path) -> None:
    (tmp_path / "status.d").mkdir()
    (tmp_path / "status.d/libc6").write_text(
        "Package: libc6\nArchitecture: amd64\nVersion: 2.36-9+deb12u10\n"
    )
    (tmp_path / "status.d/libc6.md5sums").write_text("0123 usr/lib/libc.so.6\n")

    assert [each["purl"] for each in debian_packages.packages(tmp_path)] == [REF]


def test_an_image_without_python_packages_gets_a_list_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    component = {"bom-ref": "a", "name": "a"}
    monkeypatch.setattr(debian_packages, "packages", lambda: [component])

    assert debian_packages.main(tmp_path / "site/sbom.cdx.json") == 0

    listed = json.loads((tmp_path / "site/sbom.cdx.json").read_text())
    assert (listed["bomFormat"], listed["specVersion"]) == ("CycloneDX", "1.5")
    assert [each["name"] for each in listed["components"]] == ["a"]


def test_a_base_that_names_no_package_stops_the_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(debian_packages, "packages", list)

    assert debian_packages.main(tmp_path / "sbom.cdx.json") == 1
    assert "is BASE a Debian?" in capsys.readouterr().err
