"""Write a plain PDF from pages of text: for the samples and the acceptance journey. Stdlib only."""

import textwrap
from collections.abc import Sequence

WIDTH, HEIGHT = 595, 842  # A4 in points
MARGIN, LEADING, SIZE = 64, 15, 11
COLUMNS = 82  # of Helvetica 11 on that width


def write_pdf(pages: Sequence[str], title: str) -> bytes:
    """Return a PDF 1.4 with one page for each text; the same texts give the same bytes.

    The first line of a page is set as a heading. A text must fit on its page.
    """
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        _pages_object(len(pages)),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold /Encoding /WinAnsiEncoding >>",
        b"<< /Title " + _literal(title) + b" /Producer (stackyard) >>",
    ]
    for index, text in enumerate(pages):
        content = _content(text)
        page = (
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {WIDTH} {HEIGHT}] "
            "/Resources << /Font << /F1 3 0 R /F2 4 0 R >> >> "
            f"/Contents {7 + 2 * index} 0 R >>"
        )
        objects.append(page.encode())
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content))
    return _file(objects)


def _pages_object(count: int) -> bytes:
    kids = " ".join(f"{6 + 2 * index} 0 R" for index in range(count))
    return f"<< /Type /Pages /Kids [{kids}] /Count {count} >>".encode()


def _content(text: str) -> bytes:
    heading, _, body = text.strip().partition("\n")
    lines = [
        wrapped for line in body.split("\n") for wrapped in textwrap.wrap(line, COLUMNS) or [""]
    ]
    most = (HEIGHT - 2 * MARGIN) // LEADING - 2
    if len(lines) > most:
        message = f"the page {heading!r} has {len(lines)} lines, at most {most} fit"
        raise ValueError(message)
    top = HEIGHT - MARGIN
    out = [b"BT /F2 16 Tf %d %d Td " % (MARGIN, top), _literal(heading), b" Tj ET\n"]
    out += [b"BT /F1 %d Tf %d TL %d %d Td\n" % (SIZE, LEADING, MARGIN, top - 2 * LEADING)]
    for line in lines:
        out += [_literal(line), b" Tj T*\n"]
    return b"".join(out) + b"ET"


def _literal(text: str) -> bytes:
    escaped = text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
    return b"(" + escaped.encode("cp1252") + b")"


def _file(objects: Sequence[bytes]) -> bytes:
    out = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    offsets = []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    for offset in offsets:
        out += b"%010d 00000 n \n" % offset
    out += b"trailer\n<< /Size %d /Root 1 0 R /Info 5 0 R >>\n" % (len(objects) + 1)
    return bytes(out + b"startxref\n%d\n%%%%EOF\n" % start)
