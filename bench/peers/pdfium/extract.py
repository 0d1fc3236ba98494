"""Bare pypdfium2: read the text of every page of the files named; print seconds and pages."""

import json
import sys
import time

import pypdfium2

start = time.perf_counter()
pages = characters = 0
for path in sys.argv[1:]:
    document = pypdfium2.PdfDocument(path)
    for page in document:
        text = page.get_textpage()
        characters += len(text.get_text_range())
        text.close()
        page.close()
        pages += 1
    document.close()
seconds = time.perf_counter() - start
print(json.dumps({"seconds": seconds, "pages": pages, "characters": characters}))
