"""The file of a backup: whole, or refused with the part that is not."""

import tarfile
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.backup.archive import BadArchive, Manifest, member, size_of, unpack, written
from stackyard.archives import Archive, checked
from stackyard.errors import Trouble

CONTENT = {
    "journal.sqlite3": b"j" * 1000,
    "keys.sqlite3": b"",
    "points/documents.jsonl": b'{"id": 1}\n' * 60,
    f"originals/ab/{'ab' * 32}": b"o" * 512,
}


def made(root: Path) -> Manifest:
    for name, content in CONTENT.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return Manifest(
        created="2026-11-26T20:00:00+00:00",
        dimension=384,
        model="minilm",
        documents=1,
        points={"documents": 60},
        members=tuple(member(root, name) for name in CONTENT),
    )


@pytest.fixture
def archive(tmp_path: Path) -> bytes:
    (tmp_path / "source").mkdir()
    manifest = made(tmp_path / "source")
    content = b"".join(written(tmp_path / "source", manifest))
    assert len(content) == size_of(manifest)
    return content


def unpacked(tmp_path: Path, content: bytes) -> Manifest:
    (tmp_path / "backup.tar").write_bytes(content)
    return unpack(tmp_path / "backup.tar", tmp_path / "target")


def test_what_goes_in_comes_out_and_any_tar_can_list_it(tmp_path: Path, archive: bytes) -> None:
    manifest = unpacked(tmp_path, archive)

    assert manifest == made(tmp_path / "source")
    for name, content in CONTENT.items():
        assert (tmp_path / "target" / name).read_bytes() == content
    with tarfile.open(fileobj=BytesIO(archive)) as tar:
        assert tar.getnames() == ["manifest.json", *CONTENT]
    held = checked(tmp_path / "backup.tar")
    assert isinstance(held, Archive)
    assert held.points == 60


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_changed_byte_or_a_cut_is_found(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    root = tmp_path_factory.mktemp("archive")
    manifest = made(root)
    content = bytearray(b"".join(written(root, manifest)))
    held = [each for each in manifest.members if each.size]
    wanted = data.draw(st.sampled_from(held))
    start = content.index(CONTENT[wanted.name])
    place = start + data.draw(st.integers(0, wanted.size - 1))
    if data.draw(st.booleans()):
        content[place] ^= 1 << data.draw(st.integers(0, 7))
    else:
        del content[place:]

    with pytest.raises(BadArchive):
        unpacked(root, bytes(content))
    with pytest.raises(Trouble, match="is damaged at"):
        checked(root / "backup.tar")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("../../etc/passwd", tarfile.REGTYPE),
        ("/etc/passwd", tarfile.REGTYPE),
        ("originals/zz/short", tarfile.REGTYPE),
        ("journal.sqlite3", tarfile.SYMTYPE),
    ],
)
def test_nothing_is_written_beside_the_places_of_a_backup(
    tmp_path: Path, name: str, kind: bytes
) -> None:
    made(tmp_path)
    listed = member(tmp_path, "keys.sqlite3")
    manifest = Manifest("now", 384, "m", 0, {}, (listed.__class__(name, 0, listed.sha256),))
    text = manifest.to_json()
    out = BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        head = tarfile.TarInfo("manifest.json")
        head.size = len(text)
        tar.addfile(head, BytesIO(text))
        planted = tarfile.TarInfo(name)
        planted.type, planted.linkname = kind, "/etc/passwd"
        tar.addfile(planted)

    with pytest.raises(BadArchive, match="is not a part that the manifest lists"):
        unpacked(tmp_path, out.getvalue())


@pytest.mark.parametrize(
    "text",
    [
        b"[]",
        b"[" * 100_000,
        b'{"format": 1, "members": [{"name": ["a"], "size": 1, "sha256": ""}]}',
        b'{"format": 1, "created": "now", "dimension": "many", "model": "m", "documents": 0,'
        b' "points": {}, "members": []}',
    ],
    ids=["list", "deep", "unhashable", "text for a number"],
)
def test_a_manifest_of_something_else_is_refused(tmp_path: Path, text: bytes) -> None:
    with pytest.raises(BadArchive, match=r"manifest\.json is damaged"):
        unpacked(tmp_path, tar_of({"manifest.json": text}))
    with pytest.raises(Trouble, match="is damaged at its end"):
        checked(tmp_path / "backup.tar")


@pytest.mark.parametrize("kind", [tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.GNUTYPE_SPARSE])
def test_a_manifest_that_is_no_plain_file_is_refused(tmp_path: Path, kind: bytes) -> None:
    with pytest.raises(BadArchive, match=r"it does not begin with manifest\.json"):
        unpacked(tmp_path, tar_of({"manifest.json": b""}, kind))
    with pytest.raises(Trouble, match="is damaged at its end"):
        checked(tmp_path / "backup.tar")


def test_a_part_of_a_name_that_no_text_can_hold_is_refused_and_told(tmp_path: Path) -> None:
    text = made(tmp_path).to_json()

    with pytest.raises(BadArchive) as refused:
        unpacked(tmp_path, tar_of({"manifest.json": text, "\udcff": b""}))
    with pytest.raises(Trouble) as told:
        checked(tmp_path / "backup.tar")

    assert "'\\udcff' is not a part that the manifest lists" in str(refused.value)
    assert "is damaged at \\udcff" in str(told.value)


def tar_of(contents: dict[str, bytes], kind: bytes = tarfile.REGTYPE) -> bytes:
    out = BytesIO()
    with tarfile.open(fileobj=out, mode="w", errors="surrogateescape") as tar:
        for name, data in contents.items():
            head = tarfile.TarInfo(name)
            head.type, head.size = kind, len(data)
            tar.addfile(head, BytesIO(data))
    return out.getvalue()


def test_another_file_is_no_backup(tmp_path: Path) -> None:
    with pytest.raises(BadArchive, match="it is cut or no tar"):
        unpacked(tmp_path, b"%PDF-1.7 and so on" * 100)
