"""PDF to page texts, by pypdf."""

from pathlib import Path

from pypdf import PageObject, PdfReader
from pypdf.errors import PyPdfError
from pypdf.generic import ArrayObject, FloatObject

from pipelines.reading.page import Page, UnreadableDocument, clean

# TeX draws no spaces: it moves the pen by 166 to 333 thousandths of the font size, and pypdf takes
# less than about 237 for kerning. Without this, one word in seven of a justified page is glued.
NARROWEST_SPACE = -150
CERTAIN_SPACE = -300

# Writers may put a few bytes behind the end mark; a file without it was cut.
TAIL = 2048


def read_pdf(path: Path, max_pages: int) -> list[Page]:
    """Return the text of every page, empty pages included so that numbers stay true."""
    _refuse_cut(path)
    try:
        reader = PdfReader(path)
        if reader.is_encrypted and not reader.decrypt(""):
            raise UnreadableDocument(kind="encrypted", reason="the PDF is protected by a password")
        count = len(reader.pages)
        if count > max_pages:
            reason = f"the PDF has {count} pages; at most {max_pages} are read"
            raise UnreadableDocument(kind="too-many-pages", reason=reason)
        pages = [
            Page(number=number, text=clean(_text_of(page)))
            for number, page in enumerate(reader.pages, start=1)
        ]
    except (PyPdfError, *_BROKEN) as error:
        raise UnreadableDocument(kind="damaged", reason="the PDF is damaged") from error
    if not any(page.text.strip() for page in pages):
        reason = "the PDF holds no text; scanned pages need text recognition (OCR) first"
        raise UnreadableDocument(kind="no-text", reason=reason)
    return pages


# What pypdf lets through from broken files.
_BROKEN = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NotImplementedError,
    RecursionError,
    TypeError,
    ValueError,
)


def _refuse_cut(path: Path) -> None:
    with path.open("rb") as file:
        # The header may stand behind a few bytes of mail or web server noise.
        if b"%PDF-" not in file.read(1024):
            raise UnreadableDocument(
                kind="damaged", reason="the file is no PDF, whatever its name says"
            )
        size = file.seek(0, 2)
        file.seek(max(0, size - TAIL))
        if b"%%EOF" not in file.read():
            raise UnreadableDocument(kind="damaged", reason="the PDF is cut: its end is missing")


def _text_of(page: PageObject) -> str:
    return page.extract_text(visitor_operand_before=_widen_gaps)


def _widen_gaps(operator: object, operands: object, _cm: object, _tm: object) -> None:
    """Make a gap between words wide enough to be seen as one, where a line draws no spaces."""
    if operator != b"TJ" or not isinstance(operands, list) or not operands:
        return
    shown = operands[0]
    if not isinstance(shown, ArrayObject):
        return
    strings = [part for part in shown if isinstance(part, str | bytes)]
    if any(" " in part if isinstance(part, str) else b" " in part for part in strings):
        return
    # Single letters pushed apart are a spaced heading, not words.
    if sum(len(part) == 1 for part in strings) > len(strings) / 2:
        return
    widened: list[object] = []
    for part in shown:
        if isinstance(part, int | float) and CERTAIN_SPACE < part <= NARROWEST_SPACE:
            # Forth and back: the pen ends where it should, which later gaps are measured from.
            widened += [FloatObject(CERTAIN_SPACE), FloatObject(part - CERTAIN_SPACE)]
        else:
            widened.append(part)
    shown[:] = widened
