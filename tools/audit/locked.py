"""What we lock: the packages of uv.lock, and the modules of each go.mod under tools/go."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REQUIRED = re.compile(r"^\s*(?:require\s+)?([\w.~/-]+\.[\w.~/-]+)\s+(v\d\S*)", re.M)
REPLACED = re.compile(r"^\s*(?:replace\s+)?(\S+)(?:\s+v\S+)?\s+=>\s+(\S+)(?:\s+(v\S+))?", re.M)


@dataclass(frozen=True, order=True)
class Locked:
    """One package at one version, and the file that says so."""

    ecosystem: str
    name: str
    version: str
    file: str


def everything(root: Path) -> list[Locked]:
    """Return all that is locked below the project's root."""
    found = [*python(root / "uv.lock", root)]
    for file in sorted((root / "tools/go").glob("*/go.mod")):
        found += go(file, root)
    return sorted(found)


def python(file: Path, root: Path) -> Iterator[Locked]:
    """Yield the packages of a uv.lock that come from an index; ours are not among them."""
    for each in tomllib.loads(file.read_text())["package"]:
        if "registry" in each.get("source", {}):
            yield Locked("PyPI", normal(each["name"]), each["version"], _named(file, root))


def go(file: Path, root: Path) -> Iterator[Locked]:
    """Yield the modules of a go.mod, indirect ones too, as they are replaced."""
    text = file.read_text()
    replaced = {found[1]: (found[2], found[3]) for found in REPLACED.finditer(text)}
    for found in REQUIRED.finditer(re.sub(r"^.*=>.*$", "", text, flags=re.M)):
        name, version = replaced.get(found[1], (found[1], found[2]))
        if version is not None:  # else it is a folder of ours
            yield Locked("Go", name, version, _named(file, root))


def normal(name: str) -> str:
    """Return a Python package's name as PEP 503 writes it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _named(file: Path, root: Path) -> str:
    return str(file.relative_to(root))
