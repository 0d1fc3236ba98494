"""Each tool by the first way that works: on PATH, downloaded, from packages."""

import hashlib
import platform
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tools.conftest import Yard, executable
from tests.tools.download_server import DownloadServer
from tools import toolchain
from tools.cache import Recipe
from tools.downloads import Release
from tools.errors import ToolUnavailable
from tools.pins import Tool

SCRIPT = b"#!/bin/sh\necho yq version v1.2.3\n"
PATH = "/get.example.com/yq"


class Package:
    """The packages' way to a tool, counted."""

    def __init__(self) -> None:
        self.count = 0
        self.says = "v1.2.3"

    def recipe(self) -> Recipe:
        def make(folder: Path) -> str:
            self.count += 1
            executable(folder / "yq", f"echo yq version {self.says}")
            executable(folder / "yq-host", "true")
            return "from packages"

        return Recipe(name="yq", key="k", make=make)


@pytest.fixture
def package() -> Package:
    return Package()


@pytest.fixture
def tool(package: Package, monkeypatch: pytest.MonkeyPatch) -> Tool:
    """One small tool in place of ours."""
    found = Tool(
        version="1.2.3",
        version_command=("yq", "--version"),
        oldest=(1, 2),
        newest=(1, 4),
        release=Release(
            url="https://get.example.com/yq", sha256=hashlib.sha256(SCRIPT).hexdigest()
        ),
        package=package.recipe,
    )
    monkeypatch.setattr(toolchain, "TOOLS", {"yq": found})
    return found


@pytest.mark.usefixtures("tool")
def test_a_good_version_on_path_is_linked_and_nothing_is_asked(
    yard: Yard, server: DownloadServer
) -> None:
    own = yard.put("yq", "echo yq version v1.3.9")

    found = toolchain.provide(["yq"])["yq"]

    assert (found.version, found.way, found.path) == ("1.3.9", "on PATH", own)
    assert (yard.home / "bin/yq").readlink() == own
    assert server.asked == []


@pytest.mark.usefixtures("tool")
@pytest.mark.parametrize(
    "script",
    ["echo v1.1.9", "echo v1.4.0", "echo hello", "exit 1", "echo v1.4.0-dispatcher"],
)
def test_another_version_on_path_is_left_alone_and_the_release_is_downloaded(
    yard: Yard, server: DownloadServer, script: str
) -> None:
    yard.put("yq", script)
    server.files[PATH] = SCRIPT

    found = toolchain.provide(["yq"])["yq"]

    assert (found.version, found.way) == ("1.2.3", "downloaded")
    assert (yard.home / "bin/yq").read_bytes() == SCRIPT


@pytest.mark.usefixtures("tool", "closed_port")
def test_without_downloads_it_comes_from_packages_and_says_why(
    yard: Yard, capsys: pytest.CaptureFixture[str]
) -> None:
    found = toolchain.provide(["yq"])["yq"]

    assert (found.version, found.way) == ("1.2.3", "from packages")
    said = capsys.readouterr().err
    assert said.startswith("yq 1.2.3 was not downloaded (127.0.0.1:")
    assert said.endswith("it comes from packages\n")


@pytest.mark.usefixtures("tool")
@pytest.mark.parametrize("damage", ["bad checksum", "cut", "absent"])
def test_a_download_that_is_not_whole_is_never_handed_out(
    yard: Yard, server: DownloadServer, package: Package, damage: str
) -> None:
    if damage != "absent":
        server.files[PATH] = SCRIPT if damage == "cut" else SCRIPT + b"echo evil\n"
    if damage == "cut":
        server.cut.add(PATH)

    found = toolchain.provide(["yq"])["yq"]

    assert found.way == "from packages"
    assert package.count == 1
    assert "evil" not in (yard.home / "bin/yq").read_text()


@pytest.mark.usefixtures("tool")
def test_a_second_run_asks_nobody(server: DownloadServer, package: Package) -> None:
    first = toolchain.provide(["yq"])["yq"]
    asked = list(server.asked)
    second = toolchain.provide(["yq"])["yq"]

    assert (first.path, first.way) == (second.path, second.way)
    assert package.count == 1
    assert server.asked == asked


@pytest.mark.usefixtures("tool", "closed_port")
def test_a_truncated_tool_is_made_anew(package: Package) -> None:
    path = toolchain.ensure(["yq"])["yq"]
    path.write_text("#!/bin")

    toolchain.ensure(["yq"])

    assert package.count == 2
    assert "1.2.3" in path.read_text()


@pytest.mark.usefixtures("tool", "closed_port")
def test_our_own_link_is_not_taken_for_the_machines_own(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    toolchain.ensure(["yq"])
    elsewhere = yard.path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "yq").symlink_to((yard.home / "bin/yq").resolve())
    monkeypatch.setenv("PATH", f"{yard.home}/bin:{elsewhere}:/usr/bin:/bin")

    found = toolchain.provide(["yq"])["yq"]

    assert found.way == "from packages"


@pytest.mark.usefixtures("closed_port")
def test_a_tool_with_parts_counts_as_present_only_with_all_of_them(
    yard: Yard, tool: Tool, package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    yard.put("yq", "echo v1.2.5")
    parts = Tool(**{**vars(tool), "beside": ("yq-host",)})
    monkeypatch.setattr(toolchain, "TOOLS", {"yq": parts})

    alone = toolchain.provide(["yq"])["yq"]
    host = yard.put("yq-host", "true")
    complete = toolchain.provide(["yq"])["yq"]

    assert (alone.way, complete.way) == ("from packages", "on PATH")
    assert (yard.home / "bin/yq-host").readlink() == host


@pytest.mark.usefixtures("tool", "closed_port")
def test_packages_that_give_another_version_are_refused(package: Package) -> None:
    package.says = "v9.9.9"

    with pytest.raises(ToolUnavailable) as found:
        toolchain.ensure(["yq"])

    first, hint = str(found.value).splitlines()
    assert first.endswith("/yq says that its version is 9.9.9, not 1.2.3")
    assert hint == "hint: install yq (>= 1.2, < 1.4) on PATH yourself, then: make tools"


@pytest.mark.usefixtures("yard")
@pytest.mark.parametrize(
    ("system", "machine"), [("Darwin", "arm64"), ("Linux", "aarch64"), ("Windows", "AMD64")]
)
def test_another_platform_is_refused(
    monkeypatch: pytest.MonkeyPatch, system: str, machine: str
) -> None:
    monkeypatch.setattr(platform, "system", answer(system))
    monkeypatch.setattr(platform, "machine", answer(machine))

    with pytest.raises(ToolUnavailable) as found:
        toolchain.ensure([])

    assert str(found.value) == (
        f"stackyard runs on linux/amd64, this is {system}/{machine}\n"
        "hint: use a linux/amd64 machine"
    )


@pytest.mark.usefixtures("yard")
def test_an_unknown_name_is_told_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="no tool is called 'kubctl', the tools are uv, kind"):
        toolchain.ensure(["kubctl"])


def answer(text: str) -> Callable[[], str]:
    return lambda: text
