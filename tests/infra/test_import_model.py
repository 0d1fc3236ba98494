"""What fills a volume with a model's files: whole and checked, or not at all."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from infra.images.importer.import_model import MARK, NotUsable, files_of, import_model, options_of

FILES = {"ngc/hub/model/config.json": b"{}", "ngc/hub/model/weights.bin": b"w" * 3000}
NEW = {"ngc/hub/model/config.json": b'{"new": 1}'}
# a stand-in for oras: `manifest fetch` prints a file, `pull` copies a folder
ORAS = """#!/usr/bin/env python3
import pathlib, shutil, sys
home = pathlib.Path(__file__).parent
with (home / "calls").open("a") as calls:
    calls.write(" ".join(sys.argv[1:]) + "\\n")
if (home / "broken").exists():
    sys.exit("Error: 401 unauthorized")
if sys.argv[1] == "manifest":
    print((home / "manifest.json").read_text())
else:
    shutil.copytree(home / "files", sys.argv[sys.argv.index("--output") + 1])
"""


class Registry:
    """An artefact as oras gives it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        (folder / "oras").write_text(ORAS)
        (folder / "oras").chmod(0o755)

    def holds(self, files: dict[str, bytes]) -> None:
        for path, content in files.items():
            target = self.folder / "files" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        layers = [
            {
                "digest": f"sha256:{hashlib.sha256(content).hexdigest()}",
                "annotations": {"org.opencontainers.image.title": path},
            }
            for path, content in files.items()
        ]
        (self.folder / "manifest.json").write_text(json.dumps({"layers": layers}))

    @property
    def calls(self) -> list[str]:
        return (self.folder / "calls").read_text().splitlines()


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    made = Registry(tmp_path / "registry")
    monkeypatch.setenv("PATH", f"{made.folder}:{os.environ['PATH']}")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    made.holds(FILES)
    return made


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    path = tmp_path / "cache"
    (path / "lost+found").mkdir(parents=True)  # of the file system, not ours
    return path


def there(cache: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(cache)): path.read_bytes()
        for path in cache.rglob("*")
        if path.is_file() and path.name != MARK
    }


def test_the_files_are_in_place_and_not_pulled_twice(registry: Registry, cache: Path) -> None:
    options = ["--ca-file", "ca.crt"]

    first = import_model("r/m@sha256:1", cache, options)
    second = import_model("r/m@sha256:1", cache, options)

    assert first == "2 files of r/m@sha256:1 are in place"
    assert second == "the files of r/m@sha256:1 are there"
    assert there(cache) == FILES
    assert (cache / "lost+found").is_dir()
    assert len(registry.calls) == 2
    assert all("--ca-file ca.crt" in call for call in registry.calls)


def test_a_new_artefact_replaces_the_old_one_whole(registry: Registry, cache: Path) -> None:
    import_model("r/m@sha256:1", cache, [])
    (registry.folder / "files/ngc/hub/model/weights.bin").unlink()
    registry.holds(NEW)

    import_model("r/m@sha256:2", cache, [])

    assert there(cache) == NEW
    assert (cache / MARK).read_text() == "r/m@sha256:2"


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("flipped", "weights.bin: is sha256:"),
        ("missing", "weights.bin: is not there"),
        ("spare", "extra.sh: is in no manifest"),
        ("broken", "oras manifest failed: Error: 401 unauthorized"),
    ],
)
def test_what_is_not_whole_is_refused_and_the_old_files_stay(
    registry: Registry, cache: Path, damage: str, said: str
) -> None:
    import_model("r/m@sha256:1", cache, [])
    file = registry.folder / "files/ngc/hub/model/weights.bin"
    if damage == "flipped":
        file.write_bytes(b"x" + file.read_bytes()[1:])
    elif damage == "missing":
        file.unlink()
    elif damage == "spare":
        (file.parent / "extra.sh").write_text("")
    else:
        (registry.folder / "broken").touch()

    with pytest.raises(NotUsable) as caught:
        import_model("r/m@sha256:2", cache, [])

    assert said in str(caught.value)
    left = {path: content for path, content in there(cache).items() if path in FILES}
    assert left == FILES
    assert (cache / MARK).read_text() == "r/m@sha256:1"


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x", "", MARK])
def test_a_path_out_of_the_volume_is_refused(path: str) -> None:
    layer = {"digest": "sha256:1", "annotations": {"org.opencontainers.image.title": path}}

    with pytest.raises(NotUsable, match="outside of the volume"):
        files_of(json.dumps({"layers": [layer]}))


@pytest.mark.parametrize("text", ["", "{}", '{"layers": []}', '{"layers": [{"digest": "d"}]}'])
def test_a_manifest_of_something_else_is_refused(text: str) -> None:
    with pytest.raises(NotUsable):
        files_of(text)


def test_files_that_are_not_there_are_no_options(tmp_path: Path) -> None:
    (tmp_path / "keys").touch()

    found = options_of({"KEYS": str(tmp_path / "keys"), "CA": str(tmp_path / "none")})

    assert found == ["--registry-config", str(tmp_path / "keys")]
