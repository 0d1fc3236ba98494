"""Files that mean harm: each ends in a verdict, soon, and takes nothing else down."""

import io
import random
import resource
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.convert import Limits, UnreadableDocument, read_document
from tests.pipelines.files import write_docx, write_pdf
from tests.pipelines.office import eml, epub, msg, pptx, tarred, xlsx, zipped

SECRET = "root:x:0:0"
ENTITY = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
LAUGHS = (
    '<!DOCTYPE x [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9))
    + "]>"
)

# The kinds of the refusals, and a part of the reason.
Expected = tuple[str, str]


def verdict(tmp_path: Path, name: str, data: bytes, limits: Limits | None = None) -> Expected:
    path = tmp_path / "upload"
    path.write_bytes(data)
    with pytest.raises(UnreadableDocument) as caught:
        read_document(path, name, limits or Limits(seconds=20))
    assert caught.value.reason
    return caught.value.kind, caught.value.reason


def outcome(path: Path, name: str) -> str | int:
    """Return the number of pages, or the reason of the refusal: either is a verdict."""
    try:
        return len(read_document(path, name, Limits(seconds=20)).pages)
    except UnreadableDocument as refusal:
        return refusal.reason


def edited(data: bytes, name: str, edit: Callable[[bytes], bytes]) -> bytes:
    """Return a ZIP with one part changed."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts: dict[str, str | bytes] = {each: archive.read(each) for each in archive.namelist()}
    old = parts[name]
    assert isinstance(old, bytes)
    return zipped({**parts, name: edit(old)})


def samples(tmp_path: Path) -> dict[str, bytes]:
    """Return a good file of each format that has a structure to break."""
    pdf = write_pdf(tmp_path / "good.pdf", [["Pumps need oil."] * 30] * 3).read_bytes()
    return {
        "a.pdf": pdf,
        "a.docx": write_docx(tmp_path / "good.docx").read_bytes(),
        "a.pptx": pptx([("Pumps", ["Oil them."] * 50)]),
        "a.xlsx": xlsx({"Stock": [["Part", "Left"], ["Valve", 12.0]]}),
        "a.epub": epub(["<h1>Part one</h1><p>It begins.</p>"]),
        "a.zip": zipped({"a.pdf": pdf}),
        "a.tar.gz": tarred({"a.pdf": pdf}),
        "a.json": b'{"a": [1, 2, {"b": "text"}]}',
    }


FORMATS = ["a.pdf", "a.docx", "a.pptx", "a.xlsx", "a.epub", "a.zip", "a.tar.gz", "a.json"]


@pytest.mark.parametrize("name", FORMATS)
def test_a_cut_file_is_refused(tmp_path: Path, name: str) -> None:
    data = samples(tmp_path)[name]

    for share in (0.2, 0.6, 0.95):
        assert verdict(tmp_path, name, data[: int(len(data) * share)])[0] in ("damaged", "no-text")


@pytest.mark.parametrize("name", [*FORMATS, "a.msg", "a.eml", "a.csv", "a.txt"])
def test_random_bytes_are_refused(tmp_path: Path, name: str) -> None:
    data = random.Random(7).randbytes(5000)

    assert verdict(tmp_path, name, b"\0" + data)[0] in ("damaged", "no-text")


@pytest.mark.parametrize("name", FORMATS)
def test_flipped_bytes_end_in_a_verdict_or_in_text(tmp_path: Path, name: str) -> None:
    chance = random.Random(name)
    good = samples(tmp_path)[name]
    path = tmp_path / "upload"
    for _ in range(12):
        data = bytearray(good)
        for _ in range(chance.randint(1, 8)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        path.write_bytes(data)
        assert outcome(path, name)


@pytest.mark.parametrize("name", [*FORMATS, "a.msg", "a.eml", "a.csv", "a.html"])
def test_an_empty_file_is_refused(tmp_path: Path, name: str) -> None:
    assert verdict(tmp_path, name, b"") == ("empty", "the file is empty (0 bytes)")


@pytest.mark.parametrize(
    ("name", "part"),
    [("a.docx", "word/document.xml"), ("a.xlsx", "xl/bomb.xml"), ("a.epub", "OEBPS/bomb.xhtml")],
)
def test_a_part_that_unpacks_to_far_too_much_is_refused(
    tmp_path: Path, name: str, part: str
) -> None:
    with zipfile.ZipFile(io.BytesIO(samples(tmp_path)[name])) as archive:
        parts: dict[str, str | bytes] = {each: archive.read(each) for each in archive.namelist()}
    data = zipped({**parts, part: b" " * 2**24})

    kind, reason = verdict(tmp_path, name, data)

    assert kind == "too-large"
    assert "times its size; at most 200 times is read" in reason


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_an_archive_bomb_is_refused_with_the_limit(tmp_path: Path, kind: str) -> None:
    zeros = {"a.txt": b"0" * 2**24}
    data = zipped(dict(zeros)) if kind == "zip" else tarred(zeros)

    found = verdict(tmp_path, f"a.{kind}", data)
    smaller = verdict(tmp_path, f"a.{kind}", data, Limits(unpacked=2**20))

    assert found[0] == smaller[0] == "too-large"
    assert "unpacks to more than 1 MB" in smaller[1]


def test_a_zip_that_lies_about_its_sizes_gives_no_more_than_it_says(tmp_path: Path) -> None:
    data = bytearray(zipped({"a.txt": b"word " * 2**20}))
    # The size in the list at the end, which is the one that is believed.
    place = data.rindex(b"PK\x01\x02") + 24
    data[place : place + 4] = (100).to_bytes(4, "little")

    assert verdict(tmp_path, "a.zip", bytes(data))[0] in ("damaged", "no-text")


@pytest.mark.parametrize(("place", "shift"), [(30, 30), (30, 63), (30, 0), (32, 20)])
def test_a_mail_of_outlook_with_sectors_of_any_size_is_damaged(
    tmp_path: Path, place: int, shift: int
) -> None:
    data = bytearray(msg("Offer", "Dear Bob, here it is."))
    data[place : place + 2] = shift.to_bytes(2, "little")

    assert verdict(tmp_path, "a.msg", bytes(data)) == ("damaged", "the MSG is damaged")


def test_names_that_lead_out_of_an_archive_are_refused_and_nothing_is_written(
    tmp_path: Path,
) -> None:
    slips = ["../../slip.txt", "/tmp/slip.txt", "..\\slip.txt", "C:\\slip.txt"]
    (tmp_path / "upload").write_bytes(zipped({**dict.fromkeys(slips, "x"), "good.txt": "Good."}))

    reading = read_document(tmp_path / "upload", "a.zip")

    assert [page.text for page in reading.pages] == ["Good."]
    refused = {file.name: file.reason for file in reading.files if file.reason}
    assert refused == dict.fromkeys(slips, "its name leads out of the archive")
    assert not list(tmp_path.parent.rglob("*slip*"))


def test_links_in_an_archive_are_refused(tmp_path: Path) -> None:
    data = tarred({"good.txt": b"Good."}, links={"passwd.txt": "/etc/passwd"})
    (tmp_path / "upload").write_bytes(data)

    reading = read_document(tmp_path / "upload", "a.tgz")

    assert SECRET not in "".join(page.text for page in reading.pages)
    assert reading.files[1].reason == "it is a link or a device, not a file"


def test_an_archive_nested_too_deep_is_refused(tmp_path: Path) -> None:
    data = b"Hello."
    for depth in range(6):
        data = zipped({"a.txt" if depth == 0 else "a.zip": data})

    assert "nested too deep" in verdict(tmp_path, "a.zip", data)[1]


def test_more_files_than_the_limit_are_refused(tmp_path: Path) -> None:
    data = zipped({f"{n}.txt": "x" for n in range(11)})

    assert verdict(tmp_path, "a.zip", data, Limits(files=10)) == (
        "too-large",
        "the archive holds more than 10 files",
    )


@pytest.mark.parametrize("prolog", [ENTITY, LAUGHS], ids=["external", "laughs"])
@pytest.mark.parametrize(
    ("name", "part"), [("a.docx", "word/document.xml"), ("a.pptx", "ppt/slides/slide1.xml")]
)
def test_entities_in_an_office_file_are_refused(
    tmp_path: Path, name: str, part: str, prolog: str
) -> None:
    def declared(xml: bytes) -> bytes:
        body = xml[xml.index(b"?>") + 2 :] if xml.startswith(b"<?xml") else xml
        return prolog.encode() + body.replace(b"oil", b"&e;").replace(b"Oil", b"&e;")

    kind, reason = verdict(tmp_path, name, edited(samples(tmp_path)[name], part, declared))

    assert kind == "damaged"
    assert reason.endswith(f"declares entities in {part}; no office does")


def test_entities_in_a_sheet_are_refused(tmp_path: Path) -> None:
    data = xlsx({"S": [["&e;", "x"]]}, prolog=ENTITY)

    assert "declares entities" in verdict(tmp_path, "a.xlsx", data)[1]


@pytest.mark.parametrize("prolog", [ENTITY, LAUGHS], ids=["external", "laughs"])
def test_entities_in_a_book_stay_unread(tmp_path: Path, prolog: str) -> None:
    (tmp_path / "upload").write_bytes(epub(["<p>It begins. &e; &i;</p>"], prolog=prolog))

    reading = read_document(tmp_path / "upload", "a.epub")

    assert "It begins." in reading.pages[0].text
    assert SECRET not in reading.pages[0].text
    assert len(reading.pages[0].text) < 1000


def test_entities_in_the_list_of_a_book_are_not_followed(tmp_path: Path) -> None:
    def declared(xml: bytes) -> bytes:
        return ENTITY.encode() + xml.replace(b"c%200.xhtml", b"&e;")

    data = edited(samples(tmp_path)["a.epub"], "OEBPS/book.opf", declared)

    assert verdict(tmp_path, "a.epub", data)[0] == "damaged"


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.json", b"[" * 200_000),
        ("a.json", b'{"a":' * 5000 + b"1" + b"}" * 5000),
        ("a.pptx", b""),
    ],
)
def test_what_is_nested_too_deep_is_refused(tmp_path: Path, name: str, data: bytes) -> None:
    deep = b"<a>" * 5000 + b"</a>" * 5000
    data = data or edited(pptx([("T", ["x"])]), "ppt/slides/slide1.xml", lambda _: deep)

    assert verdict(tmp_path, name, data)[0] == "damaged"


def test_slides_that_no_relation_names_are_refused(tmp_path: Path) -> None:
    nameless = edited(
        pptx([("T", ["x"])]), "ppt/presentation.xml", lambda xml: xml.replace(b" r:id=", b" other=")
    )

    assert verdict(tmp_path, "a.pptx", nameless)[0] == "damaged"


def test_a_part_that_is_packed_as_no_office_does_is_refused(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("ppt/presentation.xml", "<p/>")

    kind, reason = verdict(tmp_path, "a.pptx", packed.getvalue())

    assert kind == "damaged"
    assert reason == "the PPTX packs ppt/presentation.xml by a method that no office uses"


@pytest.mark.parametrize("name", ["a.pptx", "a.zip"])
def test_a_part_that_is_longer_than_its_file_is_refused(tmp_path: Path, name: str) -> None:
    data = bytearray(samples(tmp_path)[name])
    entry = data.index(b"PK\x01\x02")  # the directory's first
    data[entry + 20 : entry + 24] = (2**31).to_bytes(4, "little")

    assert verdict(tmp_path, name, bytes(data))[0] == "damaged"


def test_html_nested_without_end_is_read_or_refused(tmp_path: Path) -> None:
    (tmp_path / "upload").write_bytes(b"<div>" * 100_000 + b"Pumps need oil.")

    assert outcome(tmp_path / "upload", "a.html")


def test_html_with_names_that_xml_has_not_is_read(tmp_path: Path) -> None:
    (tmp_path / "upload").write_bytes(b'<p:b@>Pumps</p:b@> <1x> need <a"b>oil.</p>')

    assert "oil." in read_document(tmp_path / "upload", "a.html").pages[0].text


@pytest.mark.parametrize("place", [0x80000000, 0x1000])
def test_a_zip_whose_list_is_somewhere_else_is_damaged(tmp_path: Path, place: int) -> None:
    data = bytearray(zipped({"a.txt": b"Oil."}))
    end = data.rindex(b"PK\x05\x06")
    data[end + 16 : end + 20] = place.to_bytes(4, "little")

    assert verdict(tmp_path, "a.zip", bytes(data)) == ("damaged", "the ZIP is damaged or cut")


def test_a_page_of_900_000_operators_is_cut_off_at_its_time(tmp_path: Path) -> None:
    path = write_operators(tmp_path / "a.pdf", 900_000)

    with pytest.raises(UnreadableDocument) as caught:
        read_document(path, "a.pdf", Limits(seconds=0.3))

    assert (caught.value.kind, caught.value.reason) == (
        "too-slow",
        "reading took more than 0.3 seconds",
    )


def test_a_sheet_with_a_cell_at_its_far_corner_is_refused_by_its_memory(tmp_path: Path) -> None:
    data = xlsx({"S": [["here"]]}, last="XFD1048576")

    kind, reason = verdict(tmp_path, "a.xlsx", data, Limits(memory=512 * 2**20, seconds=20))

    assert (kind, "512 MB" in reason or "memory" in reason) in (
        ("damaged", True),
        ("too-large", True),
    )


def test_too_much_text_is_refused(tmp_path: Path) -> None:
    assert verdict(tmp_path, "a.txt", b"word " * 3000, Limits(characters=10_000))[0] == "too-large"


def test_a_hostile_attachment_leaves_the_mail_readable(tmp_path: Path) -> None:
    bomb = zipped({"a.txt": b"0" * 2**24})
    (tmp_path / "upload").write_bytes(eml("Hi", "Dear Bob.", {"a.zip": bomb}))

    reading = read_document(tmp_path / "upload", "a.eml")

    assert "Dear Bob." in reading.pages[0].text
    assert (reading.note or "").startswith("1 of 1 files refused: a.zip: the ZIP unpacks to")


def test_reading_hostile_files_leaves_this_process_small(tmp_path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    verdict(tmp_path, "a.zip", zipped({"a.zip": zipped({"a.txt": b"0" * 2**24})}))

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024


def write_operators(path: Path, count: int) -> Path:
    """Write a PDF of one page that draws a letter very often; packed it is small."""
    import zlib

    content = zlib.compress(b"BT /F1 9 Tf " + b"1 0 0 1 9 9 Tm (x) Tj " * count + b"ET")
    whole = write_pdf(path, [["x"]]).read_bytes()
    old = whole[whole.index(b"<<\n/Length") : whole.index(b"endstream")]
    new = b"<< /Filter /FlateDecode /Length %d >>\nstream\n%s\n" % (len(content), content)
    # The table of places is wrong now; PDFium looks for the objects itself.
    path.write_bytes(whole.replace(old, new))
    return path
