"""Pure, but for reading files of the clone: what goes into each image, and its content hash."""

import hashlib
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LEFT_OUT = {"__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"}
PYTHON = "3.11"
PLATFORM = "x86_64-manylinux_2_36"  # Debian 12, also under python:3.11-slim-bookworm


@dataclass(frozen=True)
class Recipe:
    """One image: a Dockerfile, folders and files of the clone, and a group of packages."""

    name: str
    dockerfile: str
    sources: tuple[str, ...]  # copied to the same path in the build context
    group: str | None  # of pyproject.toml, installed into site/
    weights: bool = False  # local.models' weights, put into weights/
    without: tuple[str, ...] = ()  # folders of site/ that nothing of ours needs


DEBIAN = "infra/images/debian_packages.py"
IMPORTER = tuple(f"infra/images/importer/{name}.py" for name in ("import_model", "registry"))
RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            *("app", "app/Dockerfile", ("app", "pipelines", DEBIAN), "app"),
            # 32 MB of calendars and currencies; a crawler would tell a URL's language by them
            without=("babel/locale-data",),
        ),
        Recipe(
            *("models", "local/models/Dockerfile"),
            *(("local/__init__.py", "local/models", DEBIAN), "models"),
            weights=True,
        ),
        Recipe(
            *("qdrant", "local/qdrant/Dockerfile"),
            *(("local/__init__.py", "local/qdrant", DEBIAN), "vectors"),
        ),
        Recipe("importer", "infra/images/importer/Dockerfile", (*IMPORTER, DEBIAN), None),
    )
}


def content_hash(recipe: Recipe, base: str, root: Path = ROOT) -> str:
    """Return a tag that changes exactly when something that goes into the image changes."""
    digest = hashlib.sha256()
    for part in (recipe.name, base, PYTHON, PLATFORM, *recipe.without):
        digest.update(part.encode() + b"\0")
    for path in (root / recipe.dockerfile, *files(recipe, root)):
        digest.update(str(path.relative_to(root)).encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    for package in locked(root / "uv.lock", recipe.group) if recipe.group else ():
        digest.update(package.encode() + b"\0")
    return digest.hexdigest()[:16]


def files(recipe: Recipe, root: Path = ROOT) -> list[Path]:
    """Return every file of the clone that the build context gets, in a fixed order."""
    found: set[Path] = set()
    for source in recipe.sources:
        path = root / source
        if not path.exists():
            message = f"image {recipe.name}: {path} is not there"
            raise FileNotFoundError(message)
        inside = path.rglob("*") if path.is_dir() else [path]
        found |= {each for each in inside if each.is_file() and not LEFT_OUT & set(each.parts)}
    return sorted(found)


def locked(lock: Path, group: str) -> list[str]:
    """Return name, version and hash of every package that a group locks, with what it needs.

    Markers are not evaluated: a package of another platform changes the tag needlessly, never
    the other way round.
    """
    packages: list[dict[str, Any]] = tomllib.loads(lock.read_text())["package"]
    by_name: dict[str, list[dict[str, Any]]] = {}
    for package in packages:
        by_name.setdefault(package["name"], []).append(package)
    (project,) = (each for each in packages if _is_project(each))
    waiting = list(project.get("dev-dependencies", {})[group])
    seen: set[tuple[str, str]] = set()
    while waiting:
        wanted = waiting.pop()
        extras = tuple(wanted.get("extra", ()))
        for package in by_name[wanted["name"]]:
            for extra in ("", *extras):
                if (key := (package["name"] + package["version"], extra)) in seen:
                    continue
                seen.add(key)
                waiting += (
                    package.get("optional-dependencies", {}).get(extra, [])
                    if extra
                    else package.get("dependencies", [])
                )
    names = {name for name, _ in seen}
    return sorted(
        f"{package['name']}=={package['version']} {hashes}"
        for package in packages
        if package["name"] + package.get("version", "") in names
        for hashes in [" ".join(sorted(_hashes(package)))]
    )


def _is_project(package: dict[str, Any]) -> bool:
    return "editable" in package.get("source", {})


def _hashes(package: dict[str, Any]) -> Iterator[str]:
    yield from (wheel["hash"] for wheel in package.get("wheels", []))
