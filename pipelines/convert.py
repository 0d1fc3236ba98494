"""Any supported file to pages of text, or the reason why not.

The reading happens in a process of its own with limits on time and memory: one upload that sends
a parser into a loop costs that upload and nothing else. Nothing is pulled from the network.
"""

import json
import math
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from pipelines.reading.page import Page, UnreadableDocument

__all__ = ["KINDS", "Page", "UnreadableDocument", "read_document"]

KINDS = {
    ".pdf": "pdf",
    ".docx": "docx",
    ".html": "html",
    ".htm": "html",
    ".md": "text",
    ".markdown": "text",
    ".txt": "text",
}

ROOT = Path(__file__).parents[1]

MAX_PAGES = 5000
MAX_SECONDS = 300
MAX_MEMORY = 2 * 2**30


def read_document(
    path: Path, name: str, *, max_pages: int = MAX_PAGES, max_seconds: float = MAX_SECONDS
) -> list[Page]:
    """Return the pages of the file at `path`; `name` is what its owner calls it.

    Blocks until the file is read: call it from a thread.
    """
    suffix = Path(name).suffix.lower()
    if suffix not in KINDS:
        what = f"{suffix!r} files" if suffix else "files without an extension"
        known = ", ".join(sorted(KINDS))
        raise UnreadableDocument(
            kind="unknown-type", reason=f"{what} are not read; known are {known}"
        )
    if not path.stat().st_size:
        raise UnreadableDocument(kind="empty", reason="the file is empty (0 bytes)")
    answer = _read_apart(path, KINDS[suffix], max_pages, max_seconds)
    if "pages" not in answer:
        raise UnreadableDocument(kind=answer["kind"], reason=answer["reason"])
    return [Page(number=number, text=text) for number, text in enumerate(answer["pages"], start=1)]


def _read_apart(path: Path, kind: str, max_pages: int, max_seconds: float) -> dict[str, Any]:
    limits = (str(max_pages), str(max(1, math.ceil(max_seconds))), str(MAX_MEMORY))
    command = [sys.executable, "-m", "pipelines.reading", str(path.resolve()), kind, *limits]
    too_slow = UnreadableDocument(
        kind="too-slow", reason=f"reading took more than {max_seconds:g} seconds"
    )
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,  # `-m` finds this package whether or not it is installed
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=max_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise too_slow from error
    if done.returncode == -signal.SIGXCPU:
        raise too_slow
    if done.returncode != 0:
        raise UnreadableDocument(
            kind="damaged", reason=f"the {kind.upper()} reader stopped on this file"
        )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
