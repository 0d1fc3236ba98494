"""Our own images: the tag follows the content, the build is skipped where the registry has it."""

import json
import os
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from infra.command import Trouble
from infra.components.image import ImageProvider
from infra.images.build import software, stage
from infra.images.recipe import RECIPES, ROOT, Recipe, content_hash, locked
from infra.images.remote import answers, find_digest, is_local

DIGEST = "sha256:" + "b" * 64
RECIPE = Recipe("tiny", "app/Dockerfile", ("app",), "vectors")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone in small: one source, a Dockerfile and the real lock."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app/__init__.py").write_text("x = 1\n")
    (tmp_path / "app/Dockerfile").write_text("ARG BASE\nFROM ${BASE}\n")
    for name in ("uv.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


class Registry(BaseHTTPRequestHandler):
    """Has stackyard/app:known, and nothing else."""

    def do_HEAD(self) -> None:
        known = self.path == "/v2/stackyard/app/manifests/known"
        self.send_response(200 if known else 404)
        if known:
            self.send_header("Docker-Content-Digest", DIGEST)
        self.end_headers()

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/v2/" else 404)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent."""


@pytest.fixture
def registry() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"localhost:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_tag_stays_while_nothing_changes(clone: Path) -> None:
    before = content_hash(RECIPE, "base", clone)
    (clone / "app/__pycache__").mkdir()
    (clone / "app/__pycache__/x.pyc").write_bytes(b"x")
    (clone / "README.md").write_text("beside it")

    assert content_hash(RECIPE, "base", clone) == before


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("app/__init__.py", "x = 2\n"),
        ("app/Dockerfile", "ARG BASE\nFROM ${BASE}\nUSER 1\n"),
        ("app/new.txt", ""),
    ],
)
def test_the_tag_changes_with_every_file_that_goes_in(clone: Path, path: str, text: str) -> None:
    before = content_hash(RECIPE, "base", clone)
    (clone / path).write_text(text)

    assert content_hash(RECIPE, "base", clone) != before


def test_the_tag_changes_with_the_base_and_with_a_locked_package(clone: Path) -> None:
    before = content_hash(RECIPE, "base", clone)
    lock = clone / "uv.lock"
    orjson = next(line for line in locked(lock, "vectors") if line.startswith("orjson=="))
    digest = orjson.split()[1]
    other = content_hash(RECIPE, "other", clone)
    lock.write_text(lock.read_text().replace(digest, "sha256:" + "0" * 64))

    assert len({before, other, content_hash(RECIPE, "base", clone)}) == 3


def test_a_package_of_another_group_does_not_change_the_tag(clone: Path) -> None:
    before = content_hash(RECIPE, "base", clone)
    lock = clone / "uv.lock"
    haystack = next(line for line in locked(lock, "app") if line.startswith("haystack-ai=="))
    lock.write_text(lock.read_text().replace(haystack.split()[1], "sha256:" + "0" * 64))

    assert content_hash(RECIPE, "base", clone) == before


def test_a_groups_packages_include_what_its_extras_need() -> None:
    names = {line.partition("==")[0] for line in locked(ROOT / "uv.lock", "vectors")}

    assert {"orjson", "qdrant-edge-py", "starlette", "uvicorn", "uvloop", "httptools"} <= names
    assert "haystack-ai" not in names


def test_a_missing_source_is_an_error(clone: Path) -> None:
    shutil.rmtree(clone / "app")

    with pytest.raises(FileNotFoundError, match="image tiny"):
        content_hash(RECIPE, "base", clone)


@pytest.mark.parametrize("name", RECIPES)
def test_every_dockerfile_takes_the_base_and_only_what_is_staged(name: str) -> None:
    recipe = RECIPES[name]
    path = ROOT / recipe.dockerfile
    lines = [line.split() for line in path.read_text().splitlines() if line.strip()]

    copied = {words[1].rstrip("/") for words in lines if words[0] == "COPY"}

    assert ["ARG", "BASE"] in lines
    assert ["FROM", "${BASE}"] in lines
    staged = ["site", *recipe.sources, *(["weights"] if recipe.weights else [])]
    above = {str(each) for source in staged for each in (Path(source), *Path(source).parents)}
    assert copied <= above - {"."}
    assert ["USER", "65532:65532"] in lines


def test_a_local_registry_tells_what_it_has(registry: str) -> None:
    assert answers(registry)
    assert find_digest(registry, "stackyard/app", "known") == DIGEST
    assert find_digest(registry, "stackyard/app", "unknown") is None


def test_a_registry_that_is_not_there_has_nothing() -> None:
    assert not answers("localhost:1")
    assert find_digest("localhost:1", "stackyard/app", "known") is None


def test_only_this_machines_registries_are_asked_in_plain_http() -> None:
    assert is_local("localhost:5000")
    assert not is_local("registry.example.com")
    assert not is_local("localhost.example.com:5000")


def test_an_image_that_the_registry_has_is_not_built(
    registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no docker, no uv
    props = {"recipe": "app", "host": registry, "path": "stackyard/app", "tag": "known"}

    result = ImageProvider().create({**props, "base": "b"})

    assert result.outs is not None
    assert result.outs["reference"] == f"{registry}/stackyard/app@{DIGEST}"


def test_a_refresh_finds_an_image_gone_that_the_registry_lost(registry: str) -> None:
    props = {"recipe": "app", "host": registry, "path": "stackyard/app"}
    provider = ImageProvider()

    assert provider.read("app", {**props, "tag": "unknown"}).id is None
    assert provider.read("app", {**props, "tag": "known"}).id == "app"


def test_without_uv_the_message_says_so(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))

    with pytest.raises(Trouble) as caught:
        stage(RECIPE, tmp_path / "context", clone)

    assert str(caught.value) == (
        "uv is not on PATH; it installs the images' packages\nhint: make tools, or: pip install uv"
    )


def test_what_nothing_needs_is_left_out_of_the_packages(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    uv = folder / "uv"
    uv.write_text(
        '#!/bin/sh\nwhile [ $# -gt 0 ]; do case "$1" in --output-file) touch "$2";;'
        ' --target) mkdir -p "$2/babel/locale-data" "$2/babel/messages";;'
        " cyclonedx1.5) echo '{}';; esac; shift; done\n"
    )
    uv.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    recipe = Recipe("tiny", "app/Dockerfile", ("app",), "vectors", without=("babel/locale-data",))

    stage(recipe, tmp_path / "context", clone)

    left = {path.name for path in (tmp_path / "context/site/babel").iterdir()}
    assert left == {"messages"}
    assert content_hash(recipe, "base", clone) != content_hash(RECIPE, "base", clone)


@pytest.mark.parametrize("group", ["app", "models", "vectors"])
def test_an_image_lists_its_packages_with_versions_and_hashes(group: str) -> None:
    listed = json.loads(software(group))

    assert (listed["bomFormat"], listed["specVersion"]) == ("CycloneDX", "1.5")
    assert software(group) == software(group)  # so that a rebuilt layer is the same
    names = {f"{each['name']}=={each['version']}" for each in listed["components"]}
    assert names == {line.split()[0] for line in locked(ROOT / "uv.lock", group)}
    for each in listed["components"]:
        hashes = [found for place in each["externalReferences"] for found in place["hashes"]]
        assert {found["alg"] for found in hashes} == {"SHA-256"}


def test_a_failing_installation_shows_uvs_last_lines(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    uv = folder / "uv"
    uv.write_text("#!/bin/sh\necho 'no such registry' >&2\nexit 2\n")
    uv.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    with pytest.raises(Trouble) as caught:
        stage(RECIPE, tmp_path / "context", clone)

    assert str(caught.value).endswith(
        "failed:\nno such registry\nhint: check that the package registry can be reached, "
        "then run the same command again"
    )
