"""A sealed backup: opened by its key, and refused where a byte of it is not as it was."""

import base64
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.backup.archive import BadArchive
from app.backup.sealing import (
    DIGEST,
    HEAD,
    MAGIC,
    PIECE,
    TAG,
    Key,
    Opener,
    WrongKey,
    keys_in,
    sealed,
    sealed_size,
    whole,
)
from stackyard.archives import SealedArchive, checked
from stackyard.errors import Trouble

OURS, OLD, OTHERS = (Key(bytes([n]) * 32) for n in (1, 2, 3))
CONTENT = bytes(range(256)) * 9000  # two pieces and a bit


def pieces(content: bytes, size: int = 100_000) -> Iterator[bytes]:
    return (content[at : at + size] for at in range(0, len(content), size))


def file_of(content: bytes, key: Key = OURS) -> bytes:
    return b"".join(sealed(pieces(content), len(content), key))


FILE = file_of(CONTENT)


def opened(file: bytes, *keys: Key, size: int = 300_000, plain: bool = False) -> bytes:
    opener = Opener(keys, plain=plain)
    out = b"".join(opener.feed(piece) for piece in pieces(file, size))
    opener.finish()
    return out


@pytest.mark.parametrize("length", [1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, len(CONTENT)])
@pytest.mark.parametrize("size", [4097, 3 * PIECE])
def test_what_is_sealed_opens_in_whatever_pieces_it_comes(length: int, size: int) -> None:
    content = CONTENT[:length]

    file = file_of(content)

    assert len(file) == sealed_size(length)
    assert opened(file, OLD, OURS, size=size) == content
    assert content[:64] not in file or length == 1


def test_two_files_of_the_same_content_have_nothing_in_common() -> None:
    one, other = file_of(CONTENT), file_of(CONTENT)

    assert one[:HEAD] != other[:HEAD]
    assert one[HEAD : HEAD + 64] != other[HEAD : HEAD + 64]


def test_another_key_is_refused_by_its_id_before_anything_is_read() -> None:
    opener = Opener([OURS, OLD])

    with pytest.raises(WrongKey) as refused:
        opener.feed(file_of(CONTENT, OTHERS)[:HEAD])

    assert f"sealed with key {OTHERS.id}, and the keys here are: {OURS.id}, {OLD.id}" in str(
        refused.value
    )


@pytest.mark.parametrize("content", [CONTENT, b"manifest.json", b"stackyard-"])
def test_a_backup_that_was_never_sealed_goes_through_where_that_is_wanted(content: bytes) -> None:
    assert opened(content, OURS, size=7, plain=True) == content
    assert opened(content) == content
    with pytest.raises(BadArchive, match="it is not sealed, and this stack has backupKeys"):
        opened(content, OURS, size=7)


def test_a_sealed_one_opens_whatever_is_said_of_plain_ones() -> None:
    assert opened(FILE, OURS, plain=True) == CONTENT


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_a_changed_byte_a_cut_and_a_tail_are_found(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    # the few bytes beside the pieces as often as those in them; without MAGIC it is another file
    start, end = len(MAGIC), len(FILE)
    beside = st.integers(start, HEAD - 1) | st.integers(end - DIGEST, end - 1)
    place = data.draw(beside | st.integers(start, end - 1))
    changed = bytes([FILE[place] ^ 1 << data.draw(st.integers(0, 7))])
    file = data.draw(
        st.sampled_from([FILE[:place] + changed + FILE[place + 1 :], FILE[:place], FILE + b"x"])
    )

    with pytest.raises((BadArchive, WrongKey)):
        opened(file, OURS)
    with pytest.raises(BadArchive):
        whole(BytesIO(file))
    path = tmp_path_factory.mktemp("sealed") / "backup"
    path.write_bytes(file)
    with pytest.raises(Trouble, match="is damaged at"):
        checked(path)


def test_pieces_that_change_places_or_come_from_another_file_are_refused() -> None:
    one, two = (slice(HEAD + n * (PIECE + TAG), HEAD + (n + 1) * (PIECE + TAG)) for n in (0, 1))
    file, other = FILE, file_of(CONTENT)
    swapped = file[:HEAD] + file[two] + file[one] + file[two.stop :]
    foreign = file[:HEAD] + file[one] + other[two] + file[two.stop :]
    # a whole piece away, and a head that says so
    shorter = len(CONTENT) - PIECE
    head = file[: HEAD - 8] + shorter.to_bytes(8, "big")
    cut = head + file[one] + file[two.stop :]

    for bad, piece in ((swapped, 0), (foreign, 1), (cut, 0)):
        with pytest.raises(BadArchive, match=f"piece {piece} is damaged, or not in its place"):
            opened(bad, OURS)


def test_the_operators_command_sees_a_whole_one_without_its_key(tmp_path: Path) -> None:
    (tmp_path / "backup.tar.sealed").write_bytes(FILE)

    assert checked(tmp_path / "backup.tar.sealed") == SealedArchive(OURS.id)
    assert whole(BytesIO(FILE)) == OURS.id


def test_keys_are_32_bytes_and_no_message_tells_them() -> None:
    texts = [base64.b64encode(each.secret).decode() for each in (OURS, OLD)]

    assert keys_in(f"{texts[0]}, {texts[1]}\n") == (OURS, OLD)
    assert "secret" not in repr(OURS)
    for bad in ("hunter2", base64.b64encode(b"x" * 16).decode()):
        with pytest.raises(ValueError, match="key 2 is not 32 bytes in base64") as refused:
            keys_in(f"{texts[0]} {bad}")
        assert bad not in str(refused.value)
