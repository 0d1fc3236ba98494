"""Text of a file that its reader does not see: too small, of no colour, off the page, switched off.

Each comes with whether it is odd by itself: menus, notes for screen readers and layers of
recognized text are hidden as well, and count only by what they say.
"""

import ctypes
import re
from collections.abc import Iterator
from typing import Any

from lxml import etree  # type: ignore[import-untyped]
from pypdfium2 import raw

Hidden = tuple[tuple[str, bool], ...]

SENTENCE = 8  # words
TINY = 1.5  # points
MOST_OBJECTS = 2000  # of a page
MOST_CHARACTERS = 4000  # of a piece
MOST_PIECES = 200

_POINTER = ctypes.c_void_p


def _bare(function: Any, *given: Any, result: Any = ctypes.c_int) -> Any:
    """Return a function of PDFium that takes addresses as numbers: half the cost of a call."""
    return ctypes.PYFUNCTYPE(result, *given)(_address(function))


def _address(of: Any) -> int:
    return ctypes.cast(of, _POINTER).value or 0


_object_at = _bare(raw.FPDFPage_GetObject, _POINTER, ctypes.c_int, result=_POINTER)
_render_mode = _bare(raw.FPDFTextObj_GetTextRenderMode, _POINTER)
_color_into = _bare(raw.FPDFPageObj_GetFillColor, *5 * [_POINTER])
_size_into = _bare(raw.FPDFTextObj_GetFontSize, _POINTER, _POINTER)
_edges_into = _bare(raw.FPDFPageObj_GetBounds, *5 * [_POINTER])

_OFF = re.compile(r"display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)", re.IGNORECASE)
_UNSEEN = re.compile(
    r"font-size\s*:\s*[01](?:\.\d+)?(?:px|pt|em|rem|%)?\s*(?:;|!|$)|font-size\s*:\s*0?\.\d+(?:px|pt)"
    r"|opacity\s*:\s*0?(?:\.0\d*)?\s*(?:;|!|$)|(?<!-)color\s*:\s*transparent"
    r"|(?:left|top|right|text-indent|margin-left)\s*:\s*-\d{3,}",
    re.IGNORECASE,
)
_WHITE = re.compile(r"(?<!-)color\s*:\s*(?:white|#fff(?:fff)?)\b", re.IGNORECASE)
_BACKGROUND = re.compile(r"background(?:-color)?\s*:", re.IGNORECASE)
_CLASS_OFF = re.compile(r"\.([A-Za-z][\w-]*)\s*\{([^}]*)\}")
_HTML = re.compile(r"<!--|style|hidden|<font", re.IGNORECASE)


def html_hidden(source: str) -> Hidden:
    """Return the hidden texts of a page, in its order."""
    if not _HTML.search(source):
        return ()
    parser = etree.HTMLParser(encoding="utf-8", no_network=True)
    root = etree.fromstring(source.encode(), parser)
    if root is None:
        return ()
    classes = {
        name: rule
        for sheet in root.iter("style")
        for name, rule in _CLASS_OFF.findall(sheet.text or "")
        if _OFF.search(rule) or _UNSEEN.search(rule)
    }
    found: list[tuple[str, bool]] = []
    for element in root.iter():
        if len(found) >= MOST_PIECES:
            break
        if element.tag is etree.Comment:
            text = " ".join((element.text or "").split())
            if text:
                found.append((text[:MOST_CHARACTERS], False))
        elif isinstance(element.tag, str) and (how := _styled(element, classes)):
            text = " ".join(" ".join(element.itertext()).split())
            if text:
                odd = how == "unseen" and text.count(" ") >= SENTENCE - 1
                found.append((text[:MOST_CHARACTERS], odd))
    return tuple(found)


def _styled(element: etree._Element, classes: dict[str, str]) -> str | None:
    if element.tag in ("script", "style", "svg", "template"):
        return None
    style = element.get("style") or ""
    for name in (element.get("class") or "").split():
        style += ";" + classes.get(name, "")
    if style and _UNSEEN.search(style):
        return "unseen"
    if element.get("hidden") is not None or (style and _OFF.search(style)):
        return "off"
    white = _WHITE.search(style) or (element.get("color") or "").lower() in ("white", "#ffffff")
    if white and not _BACKGROUND.search(style):
        return "off"
    return None


def docx_hidden(body: etree._Element, namespace: str) -> Iterator[tuple[str, bool]]:
    """Yield the runs of a document that Word does not show, or not so that one could read them."""
    for count, mark in enumerate(
        body.iter(f"{namespace}vanish", f"{namespace}color", f"{namespace}sz")
    ):
        value = mark.get(f"{namespace}val")
        name = mark.tag.removeprefix(namespace)
        white = name == "color" and (value or "").upper() == "FFFFFF"
        off = name == "vanish" and value not in ("0", "false")
        tiny = name == "sz" and value in ("0", "1", "2")
        if not (white or off or tiny) or count > 100 * MOST_PIECES:
            continue
        run = mark.getparent().getparent()
        if run is None or run.tag != f"{namespace}r":
            continue
        text = "".join(node.text or "" for node in run.iter(f"{namespace}t")).strip()
        if text:
            yield text[:MOST_CHARACTERS], not white and text.count(" ") >= SENTENCE - 1


def pdf_hidden(page: raw.FPDF_PAGE, text_page: raw.FPDF_TEXTPAGE) -> Hidden:
    """Return what a page draws so that nobody sees it."""
    count = min(raw.FPDFPage_CountObjects(page), MOST_OBJECTS)
    width, height = raw.FPDF_GetPageWidthF(page), raw.FPDF_GetPageHeightF(page)
    red, green, blue, alpha = colors = [ctypes.c_uint() for _ in range(4)]
    left, bottom, right, top = edges = [ctypes.c_float() for _ in range(4)]
    size = ctypes.c_float()
    # Made once: at every call they would cost more than the call.
    color_at, edges_at = [*map(ctypes.addressof, colors)], [*map(ctypes.addressof, edges)]
    size_at, page_at = ctypes.addressof(size), _address(page)
    matrix = raw.FS_MATRIX()
    painted = False  # something that may lie behind or above a text
    odd: list[str] = []
    plain: list[str] = []
    outside: list[str] = []  # tables that are too wide for their page run out of it too
    for index in range(count):
        at = _object_at(page_at, index)
        mode = _render_mode(at)
        if mode == raw.FPDF_TEXTRENDERMODE_UNKNOWN:  # no text
            painted = True
            continue
        _color_into(at, *color_at)
        white = red.value + green.value + blue.value >= 3 * 250 or alpha.value < 8
        _size_into(at, size_at)
        tiny = False
        if size.value <= TINY:
            raw.FPDFPageObj_GetMatrix(_object(at), matrix)
            tiny = size.value * max(abs(matrix.a), abs(matrix.b), abs(matrix.d)) < TINY
        _edges_into(at, *edges_at)
        off = right.value < 0 or top.value < 0 or left.value > width or bottom.value > height
        if white or tiny or off or mode == raw.FPDF_TEXTRENDERMODE_INVISIBLE:
            text = _pdf_text(_object(at), text_page)
            (outside if off else odd if tiny else plain).append(text)
    found = []
    if text := _joined(odd):
        found.append((text, text.count(" ") >= SENTENCE - 1))
    if text := _joined(outside):
        found.append((text, False))
    # On a painted page white may be seen, and invisible text may be that of a picture.
    if text := _joined(plain):
        found.append((text, not painted and text.count(" ") >= SENTENCE - 1))
    return tuple(found)


def _joined(texts: list[str]) -> str:
    return " ".join(" ".join(texts).split())[:MOST_CHARACTERS]


def _object(at: int) -> raw.FPDF_PAGEOBJECT:
    return ctypes.cast(at, raw.FPDF_PAGEOBJECT)


def _pdf_text(each: raw.FPDF_PAGEOBJECT, text_page: raw.FPDF_TEXTPAGE) -> str:
    size = raw.FPDFTextObj_GetText(each, text_page, None, 0)
    buffer = (ctypes.c_ushort * (size // 2 + 1))()
    raw.FPDFTextObj_GetText(each, text_page, buffer, size)
    data: bytes = bytes(buffer)[: max(0, size - 2)]
    return data.decode("utf-16-le", "replace")
