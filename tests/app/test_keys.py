"""Keys: several at once, rotated by writing the file."""

import logging
from pathlib import Path

import pytest

from app.keys import KeyRing
from app.settings import SettingsProblem


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.write_text("first-key\n\n  second-key  \n")
    return path


@pytest.mark.parametrize("key", [b"first-key", b"second-key"])
def test_every_key_of_the_file_opens(file: Path, key: bytes) -> None:
    assert KeyRing(file).accepts(key)


@pytest.mark.parametrize(
    "key", [b"", b"first", b"first-key ", b"FIRST-KEY", b"first-key\nsecond-key", b"\xff\xfe"]
)
def test_anything_else_does_not(file: Path, key: bytes) -> None:
    assert not KeyRing(file).accepts(key)


def test_a_rotated_key_works_at_once_and_the_old_one_no_longer(file: Path) -> None:
    ring = KeyRing(file)

    file.write_text("third-key-is-longer\n")

    assert ring.accepts(b"third-key-is-longer")
    assert not ring.accepts(b"first-key")


def test_the_last_keys_hold_while_the_file_is_away(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ring = KeyRing(file)
    file.unlink()

    with caplog.at_level(logging.WARNING, "app.keys"):
        assert ring.accepts(b"first-key")

    assert "keys file unreadable" in caplog.text
    assert "first-key" not in caplog.text


def test_an_emptied_file_lets_nobody_in(file: Path) -> None:
    ring = KeyRing(file)

    file.write_text("")

    assert not ring.accepts(b"first-key")
    assert not ring.accepts(b"")


def test_a_file_without_a_key_is_refused_at_start(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text("\n \n")

    with pytest.raises(SettingsProblem, match="holds no key"):
        KeyRing(path)
