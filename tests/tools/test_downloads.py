"""Release downloads against a mirror on this machine."""

import hashlib
import time
from pathlib import Path

import pytest

from tests.tools.conftest import Yard
from tests.tools.download_server import DownloadServer, tar_gz
from tools import downloads
from tools.downloads import DownloadFailed, Release, fetch

URL = "https://get.example.com/v1/tool"
PATH = "/get.example.com/v1/tool"
SUMS = "https://sums.example.com/v1/sums.txt"
SUMS_PATH = "/sums.example.com/v1/sums.txt"
CONTENT = b"the tool" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
PINNED = Release(url=URL, sha256=SHA256)
PUBLISHED = Release(url=URL, checksum_url=SUMS)


def test_a_release_with_the_pinned_checksum_becomes_executable(
    server: DownloadServer, tmp_path: Path
) -> None:
    server.files[PATH] = CONTENT

    fetch("tool", PINNED, target(tmp_path))

    assert [f.name for f in target(tmp_path).iterdir()] == ["tool"]
    assert (target(tmp_path) / "tool").read_bytes() == CONTENT
    assert (target(tmp_path) / "tool").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize(
    "sums",
    [
        SHA256,
        f"{SHA256.upper()}\n",
        f"{'0' * 64}  other\n{SHA256}  tool\n",
        f"{SHA256} *./dist/tool\n",
    ],
)
def test_a_published_checksum_is_read_in_every_usual_form(
    server: DownloadServer, tmp_path: Path, sums: str
) -> None:
    server.files |= {PATH: CONTENT, SUMS_PATH: sums.encode()}

    fetch("tool", PUBLISHED, target(tmp_path))

    assert (target(tmp_path) / "tool").read_bytes() == CONTENT


def test_the_named_members_of_an_archive_are_taken_out(
    server: DownloadServer, tmp_path: Path
) -> None:
    server.files[PATH] = tar_gz({"dir/one": b"1", "dir/two": b"2", "dir/three": b"3"})
    release = Release(url=URL, sha256=digest_of(server.files[PATH]), members=("dir/one", "dir/two"))

    fetch("tool", release, target(tmp_path))

    assert {f.name: f.read_bytes() for f in target(tmp_path).iterdir()} == {
        "one": b"1",
        "two": b"2",
    }


def test_other_content_than_pinned_is_refused(server: DownloadServer, tmp_path: Path) -> None:
    server.files[PATH] = b"something else"

    with pytest.raises(DownloadFailed) as found:
        fetch("tool", PINNED, target(tmp_path))

    assert str(found.value) == (
        f"{URL} has sha256 {digest_of(b'something else')}, pinned is {SHA256}"
    )
    assert not (target(tmp_path) / "tool").exists()


def test_other_content_than_published_is_refused(server: DownloadServer, tmp_path: Path) -> None:
    server.files |= {PATH: b"something else", SUMS_PATH: SHA256.encode()}

    with pytest.raises(DownloadFailed, match=f"published is {SHA256}"):
        fetch("tool", PUBLISHED, target(tmp_path))


def test_a_checksum_file_without_the_release_is_refused(
    server: DownloadServer, tmp_path: Path
) -> None:
    server.files |= {PATH: CONTENT, SUMS_PATH: f"{SHA256}  another-tool\n".encode()}

    with pytest.raises(DownloadFailed, match=r"sums\.txt has no sha256 of tool"):
        fetch("tool", PUBLISHED, target(tmp_path))


def test_a_file_cut_twice_is_refused(server: DownloadServer, tmp_path: Path) -> None:
    server.files[PATH] = CONTENT
    server.cut.add(PATH)

    with pytest.raises(DownloadFailed, match="without sending complete message body"):
        fetch("tool", PINNED, target(tmp_path))

    assert server.asked.count(PATH) == 1 + downloads.ATTEMPTS


def test_a_release_that_is_not_there_is_told_with_its_status(
    server: DownloadServer, tmp_path: Path
) -> None:
    with pytest.raises(DownloadFailed, match=r"/v1/tool: status 404$"):
        fetch("tool", PINNED, target(tmp_path))


def test_an_archive_without_the_tool_is_refused(server: DownloadServer, tmp_path: Path) -> None:
    server.files[PATH] = tar_gz({"dir/other": b"1"})
    release = Release(url=URL, sha256=digest_of(server.files[PATH]), members=("dir/tool",))

    with pytest.raises(DownloadFailed, match="cannot be unpacked"):
        fetch("tool", release, target(tmp_path))


def test_something_that_is_no_archive_is_refused(server: DownloadServer, tmp_path: Path) -> None:
    server.files[PATH] = CONTENT
    release = Release(url=URL, sha256=SHA256, members=("dir/tool",))

    with pytest.raises(DownloadFailed, match="cannot be unpacked"):
        fetch("tool", release, target(tmp_path))


@pytest.mark.parametrize("status", [401, 403, 407, 503])
def test_a_host_that_refuses_counts_as_not_reachable(
    server: DownloadServer, tmp_path: Path, status: int
) -> None:
    server.files[PATH] = CONTENT
    server.status[PATH] = status

    with pytest.raises(DownloadFailed, match=f"is not reachable: status {status}"):
        fetch("tool", PINNED, target(tmp_path))


@pytest.mark.usefixtures("closed_port")
def test_a_host_where_nothing_listens_is_told_at_once(tmp_path: Path) -> None:
    start = time.monotonic()

    with pytest.raises(DownloadFailed, match=r"is not reachable: .*refused"):
        fetch("tool", PINNED, target(tmp_path))

    assert time.monotonic() - start < 2


def test_a_name_that_nobody_knows_is_not_reachable(
    yard: Yard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STACKYARD_DOWNLOADS", "http://nowhere.invalid")

    assert downloads.reachable(URL) is False


def test_tls_that_is_none_is_not_reachable(
    server: DownloadServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STACKYARD_DOWNLOADS", server.url.replace("http:", "https:"))

    assert downloads.reachable(URL) is False


def test_a_silent_host_costs_seconds_and_only_once(
    server: DownloadServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server.silent = True
    monkeypatch.setattr(downloads, "PROBE_SECONDS", 0.3)

    for _ in range(3):
        with pytest.raises(DownloadFailed, match="no answer within 0 s"):
            fetch("tool", PINNED, target(tmp_path))

    assert server.asked == [PATH]


def test_a_host_is_asked_once_a_run(server: DownloadServer) -> None:
    server.files[PATH] = CONTENT

    found = [downloads.reachable(URL), downloads.reachable(URL)]

    assert found == [True, True]
    assert server.asked == [PATH]


@pytest.mark.parametrize(("sha256", "checksum_url"), [("", ""), (SHA256, SUMS)])
def test_a_release_has_exactly_one_check(sha256: str, checksum_url: str) -> None:
    with pytest.raises(ValueError, match="needs a sha256 or a checksum_url, and not both"):
        Release(url=URL, sha256=sha256, checksum_url=checksum_url)


def target(tmp_path: Path) -> Path:
    folder = tmp_path / "target"
    folder.mkdir(exist_ok=True)
    return folder


def digest_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
