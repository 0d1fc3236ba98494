"""The sample documents: what is committed is what the script makes, and other readers take it."""

import io

import pypdf
import pytest

from examples.make_handbook import HERE, handbook
from stackyard import samples
from stackyard.pdf import write_pdf


def test_the_committed_handbook_is_the_one_that_the_script_makes() -> None:
    assert (HERE / "documents" / "employee-handbook.pdf").read_bytes() == handbook()


def test_the_answer_to_the_sample_question_stands_on_page_2_of_the_handbook() -> None:
    pages = pypdf.PdfReader(io.BytesIO(handbook()), strict=True).pages

    assert [
        number for number, page in enumerate(pages, start=1) if "28 days" in page.extract_text()
    ] == [2]


def test_the_samples_are_of_four_types() -> None:
    assert [path.suffix for path in samples.files()] == [".pdf", ".md", ".txt", ".html"]


def test_a_page_survives_the_way_through_a_pdf() -> None:
    content = write_pdf(["Title (one)\nA back\\slash, an é."], "T")

    text = pypdf.PdfReader(io.BytesIO(content), strict=True).pages[0].extract_text()

    assert text.rstrip().split("\n") == ["Title (one)", "A back\\slash, an é."]


def test_a_text_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="the page 'T' has 60 lines, at most 45 fit"):
        write_pdf(["T\n" + "line\n" * 60], "T")
