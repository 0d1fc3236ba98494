"""Office files, books, mails and archives, made of their parts: small, real, and easy to break."""

import gzip
import io
import struct
import tarfile
import zipfile
from email.message import EmailMessage

PRESENTATION = "http://schemas.openxmlformats.org/presentationml/2006/main"
DRAWING = "http://schemas.openxmlformats.org/drawingml/2006/main"
SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
NONE, CHAIN_END = 0xFFFFFFFF, 0xFFFFFFFE
TYPES = "http://schemas.openxmlformats.org/package/2006/content-types"


def zipped(parts: dict[str, str | bytes]) -> bytes:
    """Return a ZIP of the parts."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return data.getvalue()


def tarred(parts: dict[str, bytes], *, links: dict[str, str] | None = None) -> bytes:
    """Return a gzipped TAR of the parts and symbolic links."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for name, content in parts.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        for name, target in (links or {}).items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            archive.addfile(entry)
    return gzip.compress(data.getvalue(), mtime=0)


def pptx(slides: list[tuple[str, list[str]]], notes: str = "") -> bytes:
    """Return slides of a title and paragraphs; the notes belong to the first."""
    parts: dict[str, str | bytes] = {}
    listed = relations = ""
    # Numbered backwards: the order is that of the list, not of the names.
    for index, (title, paragraphs) in enumerate(slides):
        number = len(slides) - index
        listed += f'<p:sldId id="{256 + index}" r:id="r{number}"/>'
        relations += _relation(f"r{number}", "slide", f"slides/slide{number}.xml")
        body = "".join(f"<a:p><a:r><a:t>{text}</a:t></a:r></a:p>" for text in paragraphs)
        parts[f"ppt/slides/slide{number}.xml"] = _drawn("sld", _shape("title", title), body)
        if notes and index == 0:
            relation = _relation("r1", "notesSlide", "../notesSlides/notes1.xml")
            parts[f"ppt/slides/_rels/slide{number}.xml.rels"] = _relations(relation)
            shown = f"<a:p><a:r><a:t>{notes}</a:t></a:r></a:p>"
            parts["ppt/notesSlides/notes1.xml"] = _drawn("notes", "", shown)
    parts["ppt/presentation.xml"] = (
        f'<p:presentation xmlns:p="{PRESENTATION}" xmlns:r="{RELATIONS}">'
        f"<p:sldIdLst>{listed}</p:sldIdLst></p:presentation>"
    )
    parts["ppt/_rels/presentation.xml.rels"] = _relations(relations)
    return zipped(parts)


def _relation(name: str, kind: str, target: str) -> str:
    return f'<Relationship Id="{name}" Type="{RELATIONS}/{kind}" Target="{target}"/>'


def _relations(inner: str) -> str:
    return f'<Relationships xmlns="{PACKAGE}">{inner}</Relationships>'


def _shape(role: str, text: str) -> str:
    return (
        f'<p:sp><p:nvSpPr><p:nvPr><p:ph type="{role}"/></p:nvPr></p:nvSpPr><p:txBody>'
        f"<a:p><a:r><a:t>{text}</a:t></a:r></a:p></p:txBody></p:sp>"
    )


def _drawn(root: str, shapes: str, body: str) -> str:
    return (
        f'<p:{root} xmlns:p="{PRESENTATION}" xmlns:a="{DRAWING}"><p:cSld><p:spTree>{shapes}'
        '<p:sp><p:nvSpPr><p:nvPr><p:ph type="body"/></p:nvPr></p:nvSpPr>'
        f"<p:txBody>{body}</p:txBody></p:sp></p:spTree></p:cSld></p:{root}>"
    )


def xlsx(sheets: dict[str, list[list[str | float]]], *, prolog: str = "", last: str = "") -> bytes:
    """Return sheets of rows; `last` names a cell far away that is written too."""
    listed = relations = types = ""
    parts: dict[str, str | bytes] = {}
    for number, (name, rows) in enumerate(sheets.items(), start=1):
        listed += f'<sheet name="{name}" sheetId="{number}" r:id="r{number}"/>'
        relations += _relation(f"r{number}", "worksheet", f"worksheets/sheet{number}.xml")
        types += (
            f'<Override PartName="/xl/worksheets/sheet{number}.xml" ContentType='
            '"application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>'
        )
        written = "".join(
            f'<row r="{row}">' + "".join(map(_cell, cells)) + "</row>"
            for row, cells in enumerate(rows, start=1)
        )
        written += f'<row r="1048576"><c r="{last}"><v>1</v></c></row>' if last else ""
        parts[f"xl/worksheets/sheet{number}.xml"] = (
            f'{prolog}<worksheet xmlns="{SHEET}"><sheetData>{written}</sheetData></worksheet>'
        )
    parts["xl/workbook.xml"] = (
        f'<workbook xmlns="{SHEET}" xmlns:r="{RELATIONS}"><sheets>{listed}</sheets></workbook>'
    )
    parts["xl/_rels/workbook.xml.rels"] = _relations(relations)
    parts["_rels/.rels"] = _relations(_relation("r1", "officeDocument", "xl/workbook.xml"))
    parts["[Content_Types].xml"] = (
        f'<Types xmlns="{TYPES}"><Default Extension="rels" ContentType='
        '"application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Override PartName="/xl/workbook.xml" ContentType='
        '"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>'
        f"{types}</Types>"
    )
    return zipped(parts)


def _cell(value: str | float) -> str:
    if isinstance(value, str):
        return f'<c t="inlineStr"><is><t>{value}</t></is></c>'
    return f"<c><v>{value}</v></c>"


def epub(chapters: list[str], *, prolog: str = "") -> bytes:
    """Return a book of XHTML bodies."""
    items = "".join(f'<item id="c{i}" href="c%20{i}.xhtml"/>' for i in range(len(chapters)))
    order = "".join(f'<itemref idref="c{i}"/>' for i in range(len(chapters)))
    parts: dict[str, str | bytes] = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": (
            '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
            '<rootfile full-path="OEBPS/book.opf"/></rootfiles></container>'
        ),
        "OEBPS/book.opf": (
            f'<package xmlns="http://www.idpf.org/2007/opf"><manifest>{items}</manifest>'
            f"<spine>{order}</spine></package>"
        ),
    }
    for index, body in enumerate(chapters):
        parts[f"OEBPS/c {index}.xhtml"] = (
            f'{prolog}<html xmlns="http://www.w3.org/1999/xhtml"><body>{body}</body></html>'
        )
    return zipped(parts)


def eml(subject: str, body: str, attached: dict[str, bytes] | None = None) -> bytes:
    """Return a mail."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "ann@example.org", "bob@example.org", subject
    mail.set_content(body)
    for name, content in (attached or {}).items():
        mail.add_attachment(content, "application", "octet-stream", filename=name)
    return mail.as_bytes()


def msg(subject: str, body: str) -> bytes:
    """Return a mail as Outlook writes it: MS-OXMSG in a compound file (MS-CFB), version 3."""
    texts = {0x0037: subject, 0x1000: body, 0x0C1F: "ann@example.org"}
    streams = {
        f"__substg1.0_{number:04X}001F": text.encode("utf-16-le") for number, text in texts.items()
    }
    listed = b"".join(
        struct.pack("<HHIII", 0x1F, number, 6, len(text) * 2 + 2, 0)
        for number, text in texts.items()
    )
    streams["__properties_version1.0"] = bytes(32) + listed
    # The streams lie in small sectors of 64 bytes, and these in the root's chain of large ones.
    small = b""
    small_table: list[int] = []
    starts: list[int] = []
    for data in streams.values():
        starts.append(len(small_table))
        count = -(-len(data) // 64)
        small_table += [*range(len(small_table) + 1, len(small_table) + count), CHAIN_END]
        small += data.ljust(count * 64, b"\0")
    small = small.ljust(-(-len(small) // 512) * 512, b"\0")
    entries = [_entry("Root Entry", 5, child=1, start=4, size=len(small))]
    for index, ((name, data), start) in enumerate(
        zip(streams.items(), starts, strict=True), start=1
    ):
        after = index + 1 if index < len(streams) else NONE
        entries.append(_entry(name, 2, right=after, start=start, size=len(data)))
    directory = b"".join([*entries, *[_entry("", 0)] * (8 - len(entries))])
    # Sectors: 0 the table, 1 and 2 the directory, 3 the small table, from 4 on the small sectors.
    large = len(small) // 512
    table = [0xFFFFFFFD, 2, CHAIN_END, CHAIN_END, *range(5, 4 + large), CHAIN_END]
    head = struct.pack(
        "<8s16xHHHHH6xIIIIIIIIII",
        *(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 0x3E, 3, 0xFFFE, 9, 6),
        *(0, 1, 1, 0, 4096, 3, 1, CHAIN_END, 0, 0),
    )
    return head.ljust(512, b"\xff") + _numbers(table) + directory + _numbers(small_table) + small


def _entry(
    name: str, kind: int, *, right: int = 0xFFFFFFFF, child: int = 0xFFFFFFFF, start: int = 0,
    size: int = 0,
) -> bytes:  # fmt: skip
    raw = name.encode("utf-16-le") + b"\0\0" if name else b""
    links = struct.pack("<III", NONE, right, child)
    return (
        raw.ljust(64, b"\0")
        + struct.pack("<HBB", len(raw), kind, 1)
        + links
        + bytes(36)
        + struct.pack("<IQ", start, size)
    )


def _numbers(values: list[int]) -> bytes:
    return b"".join(struct.pack("<I", value) for value in values).ljust(512, b"\xff")
