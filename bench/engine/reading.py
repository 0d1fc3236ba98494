"""PDF to chunks: our reader and splitter beside bare pypdfium2, on one core.

`python -m bench.engine.reading FILE...` reads with ours and prints seconds and pages.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.engine import content
from bench.engine.environments import PEERS, ROOT, python_of
from bench.engine.process import on_core
from stackyard.pdf import write_pdf

PAGES_PER_FILE = 200
CHARACTERS = 2800  # what fits on a page


def corpus(folder: Path, pages: int) -> list[Path]:
    """Write text PDFs of PAGES_PER_FILE pages each."""
    paths = []
    for first in range(0, pages, PAGES_PER_FILE):
        texts = [
            f"Page {number}\n" + " ".join(content.page(3 * number + part) for part in range(3))
            for number in range(first, min(first + PAGES_PER_FILE, pages))
        ]
        path = folder / f"manual-{first}.pdf"
        path.write_bytes(write_pdf([text[:CHARACTERS] for text in texts], path.stem))
        paths.append(path)
    return paths


def ours(paths: Sequence[Path], core: int) -> float:
    """Return pages per second with page offsets and chunks."""
    return _pages_per_second([sys.executable, "-m", "bench.engine.reading"], paths, core)


def pdfium(paths: Sequence[Path], core: int) -> float:
    """Return pages per second of nothing but the text."""
    extract = str(PEERS / "pdfium/extract.py")
    return _pages_per_second([str(python_of("pdfium")), extract], paths, core)


def _pages_per_second(command: list[str], paths: Sequence[Path], core: int) -> float:
    with on_core(core):
        done = subprocess.run(
            [*command, *map(str, paths)], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
        )
    said = json.loads(done.stdout)
    return float(said["pages"]) / float(said["seconds"])


def _read(paths: list[str]) -> dict[str, float]:
    from pipelines.components.splitter import PageSplitter
    from pipelines.convert import read_document
    from pipelines.passages import PageSlice
    from pipelines.settings import IndexingSettings

    splitter = PageSplitter(IndexingSettings.chunk_words, IndexingSettings.overlap_words, "bench")
    # The reading process is kept from file to file. It starts, and imports, before the clock does,
    # as bare pypdfium2 is imported before its own.
    with tempfile.TemporaryDirectory(prefix="stackyard-bench-") as folder:
        first = Path(folder) / "first.pdf"
        first.write_bytes(write_pdf(["One page."], first.stem))
        read_document(first, first.name)
    start = time.perf_counter()
    pages = chunks = 0
    for path in paths:
        read = read_document(Path(path), path).pages
        passages = splitter.run(PageSlice(document_id=path, name=path, pages=read))["passages"]
        chunks += len(passages.documents)
        pages += len(read)
    return {"seconds": time.perf_counter() - start, "pages": pages, "chunks": chunks}


if __name__ == "__main__":
    print(json.dumps(_read(sys.argv[1:])))
