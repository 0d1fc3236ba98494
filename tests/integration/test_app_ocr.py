"""A scanned PDF over real HTTP, read by a double of an OCR service."""

from pathlib import Path
from typing import Any

import pytest

from tests.app.process import until
from tests.fakes.ocr import FakeOcr
from tests.integration.conftest import Maker
from tests.pipelines.files import write_scan

pytestmark = pytest.mark.integration

FACT = "The capital of Freedonia is Marxville."


def test_a_scan_is_cited_by_page_and_span_of_what_was_recognized(
    make_app: Maker, tmp_path: Path
) -> None:
    path = write_scan(tmp_path / "scan.pdf", [["x"], ["y"]])
    with FakeOcr("Nothing of note.", f"By law:\n{FACT}") as ocr:
        app = make_app(environment={"RAG_OCR_URL": ocr.url})
        ocr.status = 503
        waiting = app.upload(("scan.pdf", path.read_bytes())).json()["jobs"][0]["id"]
        until(lambda: app.job(waiting, closed=False)["stage"] == "ocr" or None, 120)
        ocr.status = 200
        job = app.job(waiting)
        answer: Any = app.ask("What is the capital of Freedonia?")
        with app.client() as client:
            page = client.get(f"/v1/documents/{job['document_id']}/text?page=2").json()
        app.stop()

    (citation,) = answer["citations"]
    start, end = citation["span"]
    assert (job["status"], job["pages"], job["reason"]) == ("done", 2, None)
    assert (citation["page"], page["text"][start:end]) == (2, citation["quote"])
    assert FACT in citation["quote"]
