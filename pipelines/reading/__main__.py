"""Read one file in a process of its own, so that a hostile one can be killed: JSON on stdout.

Called by pipelines.convert; the arguments are the path, the kind and the limits.
"""

import json
import logging
import resource
import sys
import warnings
from pathlib import Path

from pipelines.reading.page import Page, UnreadableDocument


def read(path: Path, kind: str, max_pages: int) -> list[Page]:
    """Return the pages of a file; each kind loads its own library only."""
    if kind == "pdf":
        from pipelines.reading.pdf import read_pdf

        return read_pdf(path, max_pages)
    if kind == "docx":
        from pipelines.reading.docx import read_docx

        return read_docx(path, max_pages)
    if kind == "html":
        from pipelines.reading.html import read_html

        return read_html(path)
    from pipelines.reading.text import read_text

    return read_text(path, max_pages)


def main(path: str, kind: str, max_pages: str, seconds: str, memory: str) -> None:
    """Print {"pages": [text, ...]} or {"kind": ..., "reason": ...}."""
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds) + 1))
    resource.setrlimit(resource.RLIMIT_AS, (int(memory), int(memory)))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    try:
        pages = read(Path(path), kind, int(max_pages))
        answer: dict[str, object] = {"pages": [page.text for page in pages]}
    except UnreadableDocument as refusal:
        answer = {"kind": refusal.kind, "reason": refusal.reason}
    except MemoryError:
        answer = {"kind": "damaged", "reason": "the file needs too much memory to be read"}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
