"""A bundle in parts, joined again by `cat` and `tar`."""

import subprocess
from pathlib import Path

import pytest

from stackyard.bundle.splitting import problem_with, size_of, split
from stackyard.errors import Trouble

SIZE = 1 << 16


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "bundle"
    (made / "oci").mkdir(parents=True)
    (made / "bundle.json").write_text("{}")
    (made / "oci/blob").write_bytes(bytes(range(256)) * 1000)
    return made


def test_parts_are_of_the_size_and_join_by_cat_and_tar(folder: Path, tmp_path: Path) -> None:
    parts = split(folder, SIZE, lambda _told: None)
    (tmp_path / "joined").mkdir()

    subprocess.run(
        ["bash", "-c", "cat bundle.parts/*.part-* | tar -x -C joined"], cwd=tmp_path, check=True
    )

    assert [part.stat().st_size for part in parts[:-1]] == [SIZE] * (len(parts) - 1)
    assert (tmp_path / "joined/oci/blob").read_bytes() == (folder / "oci/blob").read_bytes()
    assert problem_with(tmp_path / "bundle.parts") is None


def test_a_part_that_is_cut_or_lost_is_named(folder: Path) -> None:
    parts = split(folder, SIZE, lambda _told: None)
    parts[1].write_bytes(parts[1].read_bytes()[:-1])

    assert problem_with(parts[0].parent) == f"{parts[1]} is cut off or damaged"
    parts[1].unlink()
    assert problem_with(parts[0].parent) == f"{parts[1]} is missing"


def test_sizes_are_read_as_people_write_them() -> None:
    assert size_of("4.7G") == 4_700_000_000
    assert size_of("700MB") == 700_000_000
    with pytest.raises(Trouble, match="--split is '0'"):
        size_of("0")
