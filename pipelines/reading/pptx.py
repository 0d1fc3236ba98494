"""PPTX to page texts: a slide is a page, its title a heading, its notes at the end."""

import posixpath
import zipfile
from collections.abc import Iterator
from pathlib import Path

from lxml import etree  # type: ignore[import-untyped]

from pipelines.reading.limits import Limits
from pipelines.reading.package import BROKEN, open_package, parse_xml
from pipelines.reading.page import Heading, Page, UnreadableDocument, outlined
from pipelines.reading.writing import TextWriter

# Strict files have other namespaces; the local names are the same.
TITLES = frozenset(("title", "ctrTitle"))
ASIDE = frozenset(("dt", "ftr", "sldNum", "hdr"))


def read_pptx(path: Path, limits: Limits) -> list[Page]:
    """Return a page for each slide, in the order in which they are shown."""
    try:
        with open_package(path, "PPTX", limits) as archive:
            names = _slides(archive)
            if len(names) > limits.pages:
                reason = f"the PPTX has {len(names)} slides; at most {limits.pages} are read"
                raise UnreadableDocument(kind="too-many-pages", reason=reason)
            slides = [_slide(archive, name) for name in names]
    except BROKEN as error:
        raise UnreadableDocument(kind="damaged", reason="the PPTX is damaged or cut") from error
    if not any(text for text, _ in slides):
        raise UnreadableDocument(kind="no-text", reason="the PPTX holds no text")
    return outlined(
        [Page(number=number, text=text) for number, (text, _) in enumerate(slides, start=1)],
        [headings for _, headings in slides],
    )


def _slides(archive: zipfile.ZipFile) -> list[str]:
    targets = dict(_relations(archive, "ppt/presentation.xml"))
    listed = parse_xml(archive.read("ppt/presentation.xml")).iterfind(".//{*}sldIdLst/{*}sldId")
    found = []
    for slide in listed:
        # `id` stands there twice: the slide's own without, the relation's with a namespace.
        relations = [value for key, value in slide.attrib.items() if str(key).endswith("}id")]
        found.append(targets[str(relations[0])][1])
    return found


def _relations(archive: zipfile.ZipFile, name: str) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield (id, (kind, part)) of what a part points to inside the file."""
    folder, _, base = name.rpartition("/")
    try:
        data = archive.read(f"{folder}/_rels/{base}.rels")
    except KeyError:
        return
    for each in parse_xml(data):
        if each.get("TargetMode") != "External":
            target = posixpath.normpath(posixpath.join("/" + folder, each.get("Target", "")))
            kind = each.get("Type", "").rpartition("/")[2]
            yield each.get("Id", ""), (kind, target.lstrip("/"))


def _slide(archive: zipfile.ZipFile, name: str) -> tuple[str, list[Heading]]:
    writer = TextWriter()
    for shape in parse_xml(archive.read(name)).iter("{*}sp", "{*}graphicFrame"):
        _shape(writer, shape)
    for kind, target in dict(_relations(archive, name)).values():
        if kind == "notesSlide":
            for shape in parse_xml(archive.read(target)).iter("{*}sp"):
                if _role(shape) == "body":
                    _shape(writer, shape)
    return writer.page()


def _role(shape: etree._Element) -> str:
    placeholder = shape.find(".//{*}nvPr/{*}ph")
    return "" if placeholder is None else placeholder.get("type", "body")


def _shape(writer: TextWriter, shape: etree._Element) -> None:
    role = _role(shape)
    if role in ASIDE:
        return
    writer.gap()
    start = writer.position
    rows = list(shape.iter("{*}tr"))
    for row in rows:
        cells = [" ".join(_paragraphs(cell)) for cell in row.iterfind("{*}tc")]
        writer.words(" | ".join(cells))
        writer.line()
    for paragraph in [] if rows else _paragraphs(shape):
        writer.words(paragraph)
        writer.line()
    if role in TITLES:
        writer.heading(start, 1)


def _paragraphs(element: etree._Element) -> Iterator[str]:
    for paragraph in element.iter("{*}p"):
        pieces = (
            "\n" if etree.QName(node).localname == "br" else node.text or ""
            for node in paragraph.iter("{*}t", "{*}br")
        )
        if text := " ".join("".join(pieces).split()):
            yield text
