"""Which reader is for which name, and files inside files."""

import functools
import importlib.util
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import IO, Any

from pipelines.reading.limits import Limits
from pipelines.reading.page import Page, Reading, Section, UnreadableDocument, Verdict, clean

# The module below this package and the function in it; each is loaded when it is needed.
READERS = {
    ".pdf": "pdf:read_pdf",
    ".docx": "docx:read_docx",
    ".pptx": "pptx:read_pptx",
    ".xlsx": "tables:read_xlsx",
    ".csv": "tables:read_csv",
    ".tsv": "tables:read_csv",
    ".json": "records:read_json",
    ".jsonl": "records:read_jsonl",
    ".html": "html:read_html",
    ".htm": "html:read_html",
    ".md": "text:read_markdown",
    ".markdown": "text:read_markdown",
    ".txt": "text:read_text",
    ".epub": "epub:read_epub",
}
MAILS = {".eml": "mail:read_eml", ".msg": "mail:read_msg"}
ARCHIVES = {
    ".zip": "archive:zip_members",
    ".tar": "archive:tar_members",
    ".tar.gz": "archive:tar_members",
    ".tgz": "archive:tar_members",
}
KINDS = tuple(sorted({**READERS, **MAILS, **ARCHIVES}))


# What a site reads itself: its ending and the file with the reader.
SITE: dict[str, Path] = {}


def kind_of(name: str) -> str | None:
    """Return the ending that says how a file is read; None where none is known."""
    lower = name.lower()
    return next((kind for kind in (*SITE, *KINDS) if lower.endswith(kind) and lower != kind), None)


def unknown(name: str) -> UnreadableDocument:
    """Return the refusal of a type that no reader is for."""
    suffix = Path(name).suffix.lower()
    what = f"{suffix!r} files" if suffix else "files without an extension"
    return UnreadableDocument(
        kind="unknown-type", reason=f"{what} are not read; known are {', '.join((*SITE, *KINDS))}"
    )


def failed(name: str, error: Exception) -> UnreadableDocument:
    """Return the refusal of a file on which its reader failed in a way that it does not know."""
    what = (kind_of(name) or "").lstrip(".").upper()
    reason = f"the {what} reader failed on this file ({type(error).__name__})"
    return UnreadableDocument(kind="damaged", reason=reason)


def read(path: Path, name: str, limits: Limits) -> Reading:
    """Return what a file holds; raise UnreadableDocument where it is nothing."""
    kind = kind_of(name)
    if kind is None:
        raise unknown(name)
    if not path.stat().st_size:
        raise UnreadableDocument(kind="empty", reason="the file is empty (0 bytes)")
    if kind in SITE:
        pages = site_reader(SITE[kind])(path, limits)
        refuse_too_much(pages, limits)
        return Reading(pages=pages)
    if kind in READERS:
        pages = _function(READERS[kind])(path, limits)
        refuse_too_much(pages, limits)
        return Reading(pages=pages)
    if kind in MAILS:
        letter = _function(MAILS[kind])(path, limits)
        inside = ((name, data, None) for name, data in letter.attached)
        # Signatures and logos are no reason to complain about a mail.
        return _inside([letter.page], inside, limits, complain=False)
    members = _function(ARCHIVES[kind])(path, limits)
    listed = ((member.name, member.content, member.reason) for member in members)
    reading = _inside([], listed, limits, complain=True)
    if not reading.pages:
        said = reading.note or "it holds no file"
        raise UnreadableDocument(kind="no-text", reason=f"nothing in the archive is read: {said}")
    return reading


def refuse_too_much(pages: list[Page], limits: Limits) -> None:
    """Refuse more text than a document may have."""
    if sum(len(page.text) for page in pages) > limits.characters:
        reason = f"the file holds more than {limits.characters} characters of text"
        raise UnreadableDocument(kind="too-large", reason=reason)


@functools.cache
def site_reader(file: Path) -> Any:
    """Return the function `read` of a site's own converter."""
    spec = importlib.util.spec_from_file_location(f"site_{file.stem}", file)
    if spec is None or spec.loader is None:
        msg = f"{file.name} cannot be imported"
        raise ImportError(msg)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.read


def _function(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(f"pipelines.reading.{module}"), name)


def _inside(
    pages: list[Page],
    files: Iterable[tuple[str, IO[bytes] | bytes | None, str | None]],
    limits: Limits,
    *,
    complain: bool,
) -> Reading:
    """Read the files inside a file; each gets a verdict, and one that is bad harms no other."""
    if limits.depth <= 0:
        raise UnreadableDocument(kind="too-large", reason="archives are nested too deep")
    verdicts: list[Verdict] = []
    for raw, content, reason in files:
        name = clean(raw.encode(errors="replace").decode(errors="replace"))[-300:]
        if len(verdicts) >= limits.files:
            reason = f"the archive holds more than {limits.files} files"
            raise UnreadableDocument(kind="too-large", reason=reason)
        if content is None:
            verdicts.append(Verdict(name=name, reason=reason))
            continue
        if not complain and kind_of(name) is None:
            continue
        try:
            read_pages, inner = _one(name, content, limits, pages, len(verdicts))
        except UnreadableDocument as refusal:
            verdicts.append(Verdict(name=name, reason=refusal.reason))
            continue
        except MemoryError:
            raise
        except Exception as error:
            verdicts.append(Verdict(name=name, reason=failed(name, error).reason))
            continue
        pages += read_pages
        verdicts += inner or [Verdict(name=name, pages=len(read_pages))]
    return Reading(pages=pages, files=verdicts)


def _one(
    name: str, content: IO[bytes] | bytes, limits: Limits, before: list[Page], files: int
) -> tuple[list[Page], list[Verdict]]:
    used = sum(len(page.text) for page in before)
    left = replace(
        limits,
        pages=limits.pages - len(before),
        characters=limits.characters - used,
        files=limits.files - files,
        depth=limits.depth - 1,
    )
    # Without a name of its own it is gone when this process is, however that ends.
    with tempfile.TemporaryFile() as file:
        if isinstance(content, bytes):
            file.write(content)
        else:
            shutil.copyfileobj(content, file)
        file.flush()
        reading = read(Path(f"/proc/self/fd/{file.fileno()}"), name, left)
    return list(_placed(reading.pages, name, len(before))), [
        replace(verdict, name=f"{name}/{verdict.name}") for verdict in reading.files
    ]


def _placed(pages: list[Page], name: str, before: int) -> Iterator[Page]:
    """Number the pages on, below the name of their file."""
    for page in pages:
        part = f"{name}/{page.part}" if page.part else name
        sections = tuple(
            Section(start=each.start, path=(name, *each.path)) for each in page.sections
        ) or (Section(start=0, path=(name,)),)
        yield replace(page, number=before + page.number, part=part, sections=sections)
