"""Files of documents: what a living process is writing stays."""

from pathlib import Path

from app.documents.shelf import Shelf
from pipelines.convert import Page


def test_page_texts_in_the_making_stay_while_who_writes_them_lives(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, "here")
    shelf.write_pages("doc", "sha", [Page(number=1, text="One.")])
    for writer in ("alive", "dead"):
        (tmp_path / "pages" / "doc" / f"sha.{writer}.part").write_text("half")

    swept = shelf.sweep(lambda: {("doc", "sha")}, lambda token: token == "alive")

    left = sorted(path.name for path in (tmp_path / "pages" / "doc").iterdir())
    assert (swept, left) == (1, ["sha.alive.part", "sha.json"])


def test_page_texts_of_an_earlier_version_go_and_those_in_the_making_stay(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, "here")
    for sha256 in ("old", "new"):
        shelf.write_pages("doc", sha256, [Page(number=1, text=sha256)])
    (tmp_path / "pages" / "doc" / "new.there.part").write_text("half")

    shelf.release("doc", {"old"}, lambda: {("doc", "new")})

    left = sorted(path.name for path in (tmp_path / "pages" / "doc").iterdir())
    assert left == ["new.json", "new.there.part"]
