"""Files: copies keep their holes, replacements are whole."""

from pathlib import Path

import pytest

from local.qdrant.files import copy_tree, remove_tree, replace_file, used_bytes, write_sparse

MIB = 1 << 20


def test_a_copy_has_the_same_bytes_and_the_same_holes(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "inner").mkdir(parents=True)
    with (source / "inner" / "page.dat").open("wb") as file:
        file.seek(8 * MIB)
        file.write(b"data in the middle")
        file.truncate(32 * MIB)
    (source / "empty").write_bytes(b"")
    (source / "tmp-open-1").write_bytes(b"not ready")

    copy_tree(source, tmp_path / "copy")

    copy = tmp_path / "copy" / "inner" / "page.dat"
    assert copy.read_bytes() == (source / "inner" / "page.dat").read_bytes()
    assert used_bytes(tmp_path / "copy") < MIB
    assert (tmp_path / "copy" / "empty").stat().st_size == 0
    assert not (tmp_path / "copy" / "tmp-open-1").exists()


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 3 * MIB + 5])
def test_blocks_of_zeros_become_holes_of_the_same_size(tmp_path: Path, size: int) -> None:
    content = bytes(size // 2) + b"x" * (size - size // 2)

    with (tmp_path / "out").open("wb") as out:
        write_sparse(iter([content, bytes(size)]), out)

    assert (tmp_path / "out").read_bytes() == content + bytes(size)


def test_a_replaced_file_leaves_no_draft(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.json"

    replace_file(path, b"old")
    replace_file(path, b"new")

    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_removing_what_is_not_there_is_no_error(tmp_path: Path) -> None:
    remove_tree(tmp_path / "never")

    assert list(tmp_path.iterdir()) == []
