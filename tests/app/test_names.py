"""File names from strangers."""

import pytest

from app.documents.names import check_type, clean_name
from app.problems import Problem


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("report.pdf", "report.pdf"),
        ("../../etc/passwd.txt", "passwd.txt"),
        ("C:\\Users\\me\\a b.docx", "a b.docx"),
        ("bad\x00na\nme\u202efdp.md", "badnamefdp.md"),
        ("e\u0301te\u0301.txt", "\u00e9t\u00e9.txt"),
        (" .hidden.txt ", "hidden.txt"),
        ("x" * 300 + ".pdf", "x" * 196 + ".pdf"),
    ],
)
def test_a_name_is_made_safe(raw: str, clean: str) -> None:
    assert clean_name(raw) == clean


@pytest.mark.parametrize("raw", ["", "/", "..", "\x00\x01", "a/"])
def test_a_file_without_a_name_is_refused(raw: str) -> None:
    with pytest.raises(Problem) as caught:
        clean_name(raw)

    assert caught.value.name == "invalid-file-name"


@pytest.mark.parametrize("name", ["a.exe", "a", "a.pdf.7z", "pdf"])
def test_a_type_that_cannot_be_read_is_refused(name: str) -> None:
    with pytest.raises(Problem) as caught:
        check_type(name)

    assert caught.value.status_code == 415
    assert ".docx" in str(caught.value.explanation)


def test_the_case_of_the_suffix_does_not_matter() -> None:
    check_type("REPORT.PDF")
