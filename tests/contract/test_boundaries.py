"""Who may import whom: the walls of the house."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = {"infra", "pipelines", "app", "local", "stackyard", "tools", "bench", "policy", "tests"}

# room -> the rooms and packages that it never imports
FORBIDDEN = {
    "infra": (ROOMS - {"infra"}) | {"haystack", "haystack_integrations", "hayhooks", "fastapi"},
    "pipelines": (ROOMS - {"pipelines"}) | {"pulumi", "pulumi_kubernetes", "hayhooks", "fastapi"},
    "app": (ROOMS - {"app", "pipelines"}) | {"pulumi", "pulumi_kubernetes"},
    "local": (ROOMS - {"local"}) | {"pulumi", "haystack", "hayhooks"},
    "policy": (ROOMS - {"policy"}) | {"haystack", "hayhooks", "fastapi", "pulumi_kubernetes"},
    "tools": (ROOMS - {"tools"}) | {"haystack", "hayhooks"},
    "stackyard": (ROOMS - {"stackyard", "tools", "infra"}) | {"haystack", "hayhooks", "pulumi"},
}

# the one module of a room that reads the environment
ENVIRONMENT_READERS = {
    "pipelines": set[str](),
    "app": {"app/settings.py", "app/__main__.py"},
}


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and the top-level package of every import in a file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.split(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.module.split(".")[0]


def sources(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


@pytest.mark.parametrize("room", sorted(FORBIDDEN))
def test_a_room_imports_nothing_from_behind_a_wall(room: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line} imports {package}"
        for path in sources(room)
        for line, package in imported(path)
        if package in FORBIDDEN[room]
    ]

    assert found == []


@pytest.mark.parametrize("room", sorted(ENVIRONMENT_READERS))
def test_only_the_settings_read_the_environment(room: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sources(room)
        if str(path.relative_to(ROOT)) not in ENVIRONMENT_READERS[room]
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")
    ]

    assert found == []


def test_only_the_settings_read_the_stack_configuration() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sources("infra")
        if path.name != "settings.py"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and node.attr == "Config"
        and isinstance(node.value, ast.Name)
        and node.value.id == "pulumi"
    ]

    assert found == []
