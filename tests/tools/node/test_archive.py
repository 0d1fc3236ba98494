"""Archives that any loader reads, byte for byte the same every time."""

import json
import tarfile
from pathlib import Path

from tools.node.archive import ImageSpec, write_archive


def layer(folder: Path, name: str, content: bytes) -> Path:
    source = folder / f"{name}.txt"
    source.write_bytes(content)
    target = folder / f"{name}.tar"
    with tarfile.open(target, "w") as tar:
        info = tarfile.TarInfo(f"{name}.txt")
        info.size = len(content)
        with source.open("rb") as file:
            tar.addfile(info, file)
    return target


def test_the_same_images_make_the_same_bytes(tmp_path: Path) -> None:
    images = [ImageSpec(tags=["localhost/a:1"], layers=[layer(tmp_path, "one", b"1")])]

    write_archive(tmp_path / "first", images)
    write_archive(tmp_path / "second", images)

    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def test_kind_finds_every_tag_in_the_first_file(tmp_path: Path) -> None:
    shared = layer(tmp_path, "shared", b"s")
    images = [
        ImageSpec(tags=["registry.example/a:1", "registry.example/a:2"], layers=[shared]),
        ImageSpec(tags=["localhost:5000/b:3"], layers=[shared]),
    ]

    write_archive(tmp_path / "archive", images)

    with tarfile.open(tmp_path / "archive") as archive:
        first = archive.next()
        assert first is not None
        repositories = archive.extractfile(first)
        assert repositories is not None
        assert first.name == "repositories"
        assert json.loads(repositories.read()) == {
            "registry.example/a": {"1": "", "2": ""},
            "localhost:5000/b": {"3": ""},
        }


def test_a_layer_that_two_images_share_is_stored_once(tmp_path: Path) -> None:
    shared, own = layer(tmp_path, "shared", b"s"), layer(tmp_path, "own", b"o")
    images = [
        ImageSpec(tags=["localhost/a:1"], layers=[shared]),
        ImageSpec(tags=["localhost/b:1"], layers=[shared, own]),
    ]

    write_archive(tmp_path / "archive", images)

    with tarfile.open(tmp_path / "archive") as archive:
        layers = [name for name in archive.getnames() if name.endswith("/layer.tar")]
    assert len(layers) == len(set(layers)) == 2
