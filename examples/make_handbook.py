"""Make documents/employee-handbook.pdf of sources/employee-handbook.txt, a page to a form feed."""

from pathlib import Path

from stackyard.pdf import write_pdf

HERE = Path(__file__).parent


def handbook() -> bytes:
    """Return the PDF; the same text gives the same bytes."""
    text = (HERE / "sources" / "employee-handbook.txt").read_text()
    return write_pdf(text.split("\f"), "Employee Handbook of Larkspur Instruments")


if __name__ == "__main__":
    (HERE / "documents" / "employee-handbook.pdf").write_bytes(handbook())
