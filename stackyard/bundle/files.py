"""The files of a bundle that no registry holds: wheels, executables, Pulumi's plugins."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packaging.markers import Marker
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import parse_wheel_filename

from stackyard.bundle.lock import ANY, PLATFORM, Item
from stackyard.errors import Trouble
from stackyard.project import PACKAGE

GLIBC = 36  # of Debian 12; what is built for an older one runs there too
STAND_IN = "stand-in"  # in place of a plugin's version
PLUGINS = {"kubernetes": "pulumi-kubernetes", "aws": "pulumi-aws"}  # plugin -> its package


def wheel_items(python: str, *, aws: bool, lock: Path = PACKAGE / "uv.lock") -> Iterator[Item]:
    """Yield the wheels that `stackyard` and the Pulumi program need, as uv.lock pins them."""
    packages = _packages(lock)
    groups = ["infra", *(["eks"] if aws else [])]
    tags = list(_tags(python))
    for package in _closure(packages, groups, python):
        wheel = _best(package, tags)
        if wheel is None:
            message = f"{package['name']} {package['version']} has no wheel for Python {python}"
            raise Trouble(message, "stackyard bundle lock --python 3.11")
        filename = str(wheel["url"]).rpartition("/")[2]
        yield Item(
            kind="wheel",
            name=f"{package['name']}-{package['version']}",
            reference=filename,
            digest=wheel["hash"],
            platform=ANY if filename.endswith("-any.whl") else PLATFORM,
            size=wheel["size"],
            source="uv.lock",
            url=wheel["url"],
        )


def tool_items(*, local: bool, aws: bool, stand_in: bool = False) -> Iterator[Item]:
    """Yield the executables, and the plugins of the engine, that the deploying machine needs."""
    from tools.pins import TOOLS

    for name, tool in TOOLS.items():
        if name != "kind" or local:
            yield Item(
                kind="tool",
                name=name,
                reference=f"{name}@{tool.version}",
                source="tools",
            )
    yield Item(kind="tool", name="skopeo", reference="skopeo", source="tools")
    packages = {each["name"]: each["version"] for each in _packages(PACKAGE / "uv.lock")}
    for plugin in ("kubernetes", *(("aws",) if aws else ())):
        ours = stand_in and plugin == "kubernetes"
        version = STAND_IN if ours else packages[PLUGINS[plugin]]
        yield Item(
            kind="plugin",
            name=plugin,
            reference=f"pulumi-resource-{plugin}@{version}",
            source="tools" if ours else "uv.lock",
        )


def _packages(lock: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tomllib.loads(lock.read_text())["package"]
    # the project itself may have no version of its own in the lock
    return [{"version": "0", **each} for each in found]


def _closure(
    packages: list[dict[str, Any]], groups: list[str], python: str
) -> list[dict[str, Any]]:
    """Return the packages that the project and some of its groups need on Linux."""
    project = next(each for each in packages if "editable" in each.get("source", {}))
    waiting = list(project.get("dependencies", []))
    for group in groups:
        waiting += project.get("dev-dependencies", {}).get(group, [])
    seen: dict[str, dict[str, Any]] = {}
    done: set[tuple[str, str]] = set()
    while waiting:
        wanted = waiting.pop()
        if "marker" in wanted and not _holds(wanted["marker"], python):
            continue
        package = next(
            each
            for each in packages
            if each["name"] == wanted["name"]
            and wanted.get("version", each["version"]) == each["version"]
            and _applies(each, python)
        )
        for extra in ("", *wanted.get("extra", ())):
            if (package["name"], extra) in done:
                continue
            done.add((package["name"], extra))
            seen[package["name"]] = package
            waiting += (
                package.get("optional-dependencies", {}).get(extra, [])
                if extra
                else package.get("dependencies", [])
            )
    return sorted(seen.values(), key=lambda each: str(each["name"]))


def _applies(package: dict[str, Any], python: str) -> bool:
    markers = package.get("resolution-markers", [])
    return not markers or any(_holds(each, python) for each in markers)


def _holds(marker: str, python: str) -> bool:
    environment = {
        "python_version": python,
        "python_full_version": f"{python}.9",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": "x86_64",
        "os_name": "posix",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "extra": "",
    }
    return Marker(marker).evaluate(environment)


def _tags(python: str) -> Iterator[Tag]:
    """Yield the tags of wheels that run there, the most fitting first."""
    version = tuple(int(part) for part in python.split("."))
    older = {5: "1", 12: "2010", 17: "2014"}
    platforms = []
    for minor in range(GLIBC, 4, -1):
        platforms.append(f"manylinux_2_{minor}_x86_64")
        if minor in older:
            platforms.append(f"manylinux{older[minor]}_x86_64")
    platforms.append("linux_x86_64")
    interpreter = f"cp{''.join(map(str, version))}"
    yield from cpython_tags(version, platforms=platforms)
    yield from compatible_tags(version, interpreter, platforms)


def _best(package: dict[str, Any], tags: list[Tag]) -> dict[str, Any] | None:
    order = {tag: place for place, tag in enumerate(tags)}
    fitting: list[tuple[int, dict[str, Any]]] = []
    for wheel in package.get("wheels", []):
        _, _, _, wheel_tags = parse_wheel_filename(str(wheel["url"]).rpartition("/")[2])
        places = [order[tag] for tag in wheel_tags if tag in order]
        if places:
            fitting.append((min(places), wheel))
    return min(fitting, key=lambda each: each[0])[1] if fitting else None
