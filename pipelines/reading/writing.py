"""Text that grows block by block, with the headings at their offsets."""

from pipelines.reading.page import Heading, clean


class TextWriter:
    """Collects a page; white space between words is one space, between blocks one line end."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._length = 0
        self._headings: list[tuple[int, int, int]] = []
        self._glue = ""

    def words(self, text: str) -> None:
        """Write text of the running block; its white space is folded."""
        text = clean(text)
        folded = " ".join(text.split())
        if not folded:
            self._space(text)
            return
        if text[0].isspace():
            self._space(text)
        self._put(folded)
        if text[-1].isspace():
            self._space(text)

    def verbatim(self, text: str) -> None:
        """Write text as it is."""
        self._put(clean(text))

    def line(self) -> None:
        """End the running block."""
        if self._glue != "\n\n":
            self._glue = "\n"

    def gap(self) -> None:
        """End the running block, and let a blank line follow."""
        self._glue = "\n\n"

    @property
    def position(self) -> int:
        """Return where the next block will begin."""
        return self._length + len(self._glue if self._length else "")

    def heading(self, start: int, level: int) -> None:
        """Say that what was written since `start` is a heading."""
        if self._length > start:
            self._headings.append((start, self._length, level))

    def page(self) -> tuple[str, list[Heading]]:
        """Return the text and its headings."""
        text = "".join(self._pieces)
        found = [
            Heading(start=start, level=level, title=text[start:end])
            for start, end, level in self._headings
            if text[start:end].strip()
        ]
        return text, found

    def _space(self, text: str) -> None:
        if text and not self._glue:
            self._glue = " "

    def _put(self, text: str) -> None:
        if not text:
            return
        if self._length and self._glue:
            self._pieces.append(self._glue)
            self._length += len(self._glue)
        self._glue = ""
        self._pieces.append(text)
        self._length += len(text)
