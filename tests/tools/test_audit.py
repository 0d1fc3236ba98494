"""Known holes out of a small export in OSV's own form, and what makes an audit fail."""

import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tools.audit.__main__ import ROOT, main
from tools.audit.locked import Locked, everything, go
from tools.audit.versions import Semver, is_affected

NOW = datetime(2026, 11, 20, tzinfo=UTC)
LOCK = """
[[package]]
name = "jinja2"
version = "3.1.3"
source = { registry = "https://pypi.org/simple" }

[[package]]
name = "ours"
version = "0.1.0"
source = { virtual = "." }
"""
GO_MOD = """module stackyard.local/x

go 1.26.0

require golang.org/x/net v0.20.0

require (
	example.com/old v1.0.0 // indirect
	example.com/here v1.0.0
)

replace example.com/old => example.com/new v1.4.0-rc.1

replace example.com/here => ./here
"""


def record(id_: str, ecosystem: str, name: str, *events: dict[str, str], **more: Any) -> Any:
    ranges = [{"type": "ECOSYSTEM" if ecosystem == "PyPI" else "SEMVER", "events": list(events)}]
    affected = {"package": {"ecosystem": ecosystem, "name": name}, "ranges": ranges}
    return {
        "schema_version": "1.7.0",
        "id": id_,
        "modified": "2026-11-18T10:00:00.123456789Z",
        "summary": f"a hole in {name}",
        "affected": [affected],
        **more,
    }


JINJA = record(
    *("GHSA-h75v-3vvj-5mfj", "PyPI", "Jinja2", {"introduced": "0"}, {"fixed": "3.1.4"}),
    aliases=["CVE-2024-34064"],
)
SAME = record(
    *("PYSEC-2024-1", "PyPI", "jinja2", {"introduced": "0"}, {"last_affected": "3.1.3"}),
    aliases=["CVE-2024-34064"],
)
NET = record("GO-2024-2687", "Go", "golang.org/x/net", {"introduced": "0"}, {"fixed": "0.23.0"})
OLD = record("GO-2020-1", "Go", "golang.org/x/net", {"introduced": "0"}, {"fixed": "0.7.0"})


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / "tools/go/x").mkdir(parents=True)
    (root / "uv.lock").write_text(LOCK)
    (root / "tools/go/x/go.mod").write_text(GO_MOD)
    return root


def export(folder: Path, *records: Any) -> Path:
    """Write an export as OSV hands it out: one zip, one file of JSON for each record."""
    path = folder / "all.zip"
    with zipfile.ZipFile(path, "w") as zipped:
        for each in records:
            zipped.writestr(f"{each['id']}.json", json.dumps(each))
    return path


def audit(project: Path, exported: Path, waivers: str = "") -> int:
    file = project / "waivers.toml"
    file.write_text(waivers)
    return main([str(exported), "--root", str(project), "--waivers", str(file)], now=NOW)


def test_each_hole_is_told_once_with_what_fixes_it(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = audit(project, export(project, JINJA, SAME, NET, OLD))

    assert code == 1
    assert capsys.readouterr().out.splitlines() == [
        "Go: 2 locked, 2 records, the newest of 2026-11-18",
        "PyPI: 1 locked, 2 records, the newest of 2026-11-18",
        "GO-2024-2687  golang.org/x/net  v0.20.0  fixed in 0.23.0  tools/go/x/go.mod  "
        "a hole in golang.org/x/net",
        "GHSA-h75v-3vvj-5mfj  jinja2  3.1.3  fixed in 3.1.4  uv.lock  a hole in Jinja2",
        "2 found, 0 waived",
        "hint: uv lock --upgrade-package NAME, or a waiver in tools/audit/waivers.toml",
    ]


def test_a_folder_is_read_like_a_zip_and_nothing_found_is_a_success(project: Path) -> None:
    folder = project / "osv"
    folder.mkdir()
    for each in (OLD, record("PYSEC-1", "PyPI", "other", {"introduced": "0"})):
        (folder / f"{each['id']}.json").write_text(json.dumps(each))

    assert audit(project, folder) == 0


def test_a_withdrawn_record_is_no_finding(project: Path) -> None:
    withdrawn = {**JINJA, "withdrawn": "2026-11-19T00:00:00Z"}

    assert audit(project, export(project, withdrawn, OLD)) == 0


WAIVER = """
[[waiver]]
id = "CVE-2024-34064"
package = "jinja2"
reason = "templates are ours, no caller writes one"
until = {}
"""


@pytest.mark.parametrize(("until", "code"), [("2026-11-20", 0), ("2026-11-19", 1)])
def test_a_waiver_holds_by_any_name_of_the_hole_and_until_its_day(
    project: Path, capsys: pytest.CaptureFixture[str], until: str, code: int
) -> None:
    assert audit(project, export(project, JINJA, OLD), WAIVER.format(until)) == code

    told = capsys.readouterr().out
    if code == 0:
        assert "waived until 2026-11-20: templates are ours, no caller writes one\n" in told
    else:
        assert "the waiver of CVE-2024-34064 for jinja2 (until 2026-11-19) is over\n" in told


def test_a_waiver_of_nothing_is_told(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    no_hole = record("PYSEC-1", "PyPI", "other", {"introduced": "0"})

    assert audit(project, export(project, no_hole, OLD), WAIVER.format("2027-01-01")) == 0
    assert "waives nothing: remove it" in capsys.readouterr().out


def test_a_waiver_without_a_reason_stops_the_audit(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = '[[waiver]]\nid = "X"\npackage = "jinja2"\nreason = ""\nuntil = 2027-01-01\n'

    assert audit(project, export(project, JINJA, OLD), given) == 2
    assert "reason is ''; it must be a text" in capsys.readouterr().err


def test_an_export_that_is_too_old_or_lacks_an_ecosystem_proves_nothing(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = {**JINJA, "modified": "2026-11-01T00:00:00Z"}

    assert audit(project, export(project, old)) == 2
    assert capsys.readouterr().err == (
        "the export proves nothing: it has no record of Go; its newest record of PyPI is of "
        "2026-11-01, 19 days ago; 14 are allowed\n"
        "hint: fetch it again; SECURITY.md says from where\n"
    )


@pytest.mark.parametrize("content", [b"PK\x03\x04cut", b""])
def test_a_cut_export_is_refused(
    project: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    path = project / "all.zip"
    path.write_bytes(content)

    assert audit(project, path) == 2
    assert "is cut or no zip" in capsys.readouterr().err


def test_a_file_that_is_no_record_and_one_that_is_not_there_are_refused(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "x.json").write_text("[]")

    assert audit(project, project / "x.json") == 2
    assert audit(project, project / "nowhere.zip") == 2
    told = capsys.readouterr().err
    assert "x.json is no record of OSV" in told
    assert "nowhere.zip is not there" in told


def test_modules_are_read_as_they_are_replaced(project: Path) -> None:
    file = project / "tools/go/x/go.mod"

    assert list(go(file, project)) == [
        Locked("Go", "golang.org/x/net", "v0.20.0", "tools/go/x/go.mod"),
        Locked("Go", "example.com/new", "v1.4.0-rc.1", "tools/go/x/go.mod"),
    ]


def test_all_that_we_lock_is_read() -> None:
    found = everything(ROOT)

    assert Locked("PyPI", "hayhooks", "2.1.0", "uv.lock") in found
    assert any(each.name == "k8s.io/kubernetes" for each in found)
    assert not any(each.name == "stackyard" for each in found)
    assert len(found) > 500


def test_versions_of_modules_are_ordered_as_semver_says() -> None:
    rising = [
        "0.0.0-20240101000000-abcdef012345",
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-beta.2",
        "1.0.0-beta.11",
        "1.0.0-rc.1",
        "v1.0.0+incompatible",
        "1.0.1",
        "1.10.0",
    ]

    falling = rising[::-1]

    assert sorted(falling, key=Semver) == rising


@pytest.mark.parametrize(
    ("version", "affected"),
    [("1.0.0", False), ("1.1.0", True), ("1.2.0", False), ("1.3.0", True), ("2.0.0", False)],
)
def test_a_range_may_begin_and_end_more_than_once(version: str, affected: bool) -> None:
    events = [{"introduced": "1.1.0"}, {"fixed": "1.2.0"}, {"introduced": "1.3.0"}]
    ranges = [{"type": "SEMVER", "events": [*events, {"last_affected": "1.9.0"}]}]

    assert is_affected("Go", version, {"ranges": ranges}) is affected


@pytest.mark.parametrize(
    ("version", "affected"),
    [("0.0.0-20240101000000-abcdef012345", True), ("1.0.0", True), ("1.0.1", False)],
)
def test_nought_is_before_every_version_and_the_last_affected_is_affected(
    version: str, affected: bool
) -> None:
    for first in ("0", "1.0.0"):
        events = [{"introduced": first}, {"last_affected": "1.0.0"}]
        ranges = [{"type": "SEMVER", "events": events}]
        expected = affected and not (first == "1.0.0" and version.startswith("0"))

        assert is_affected("Go", version, {"ranges": ranges}) is expected


def test_a_listed_version_is_affected_without_a_range() -> None:
    assert is_affected("PyPI", "1.0", {"versions": ["1.0"]})
    assert not is_affected("PyPI", "1.1", {"versions": ["1.0"]})
