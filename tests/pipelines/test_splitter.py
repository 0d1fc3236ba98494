"""Chunks slice back to their page, know their headings, and keep their ids."""

from dataclasses import replace
from uuid import UUID

from haystack import Document
from haystack_integrations.document_stores.qdrant.converters import convert_id
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.components.splitter import PageSplitter
from pipelines.passages import PageSlice
from pipelines.reading.page import Heading, Page, outlined

WORDS, OVERLAP = 30, 6
PIECES = st.sampled_from(
    (
        *("Pumps need oil. ", "e.g. a valve, ", "word ", "\n", "\n\n", "• item ", "2.3 Title\n"),
        *("水が漏れる。", "x" * 400, "\t", "𝄞 clef. ", "e\u0301tude. ", "\u2028", "\x1c"),
    )
)
TEXTS = st.lists(PIECES, max_size=40).map("".join) | st.text(max_size=200)


@st.composite
def documents(draw: st.DrawFn) -> list[Page]:
    texts = draw(st.lists(TEXTS, min_size=1, max_size=4))
    pages = [Page(number=number, text=text) for number, text in enumerate(texts, start=1)]
    headings = [
        [
            Heading(start=start, level=draw(st.integers(1, 4)), title=f"T{start}")
            for start in sorted(draw(st.sets(st.integers(0, max(0, len(text) - 1)), max_size=4)))
        ]
        for text in texts
    ]
    return outlined(pages, headings)


def split(pages: list[Page], model: str = "m", document_id: str = "id") -> list[Document]:
    splitter = PageSplitter(words=WORDS, overlap=OVERLAP, model=model)
    given = PageSlice(document_id=document_id, name="a.txt", pages=pages)
    return list(splitter.run(given)["passages"].documents)


@given(documents())
@settings(max_examples=150)
def test_every_chunk_is_its_page_at_its_span_and_no_word_is_lost(pages: list[Page]) -> None:
    chunks = split(pages)

    for page in pages:
        of_page = [chunk for chunk in chunks if chunk.meta["page"] == page.number]
        covered: set[int] = set()
        for chunk in of_page:
            start, end = chunk.meta["span"]
            assert page.text[start:end] == chunk.content
            assert chunk.content == (chunk.content or "").strip() != ""
            covered.update(range(start, end))
        assert all(i in covered for i, char in enumerate(page.text) if not char.isspace())
    assert len({chunk.id for chunk in chunks}) == len(chunks)


@given(documents())
@settings(max_examples=100)
def test_a_chunk_stands_under_headings_of_a_section_that_it_touches(pages: list[Page]) -> None:
    by_number = {page.number: page for page in pages}
    for chunk in split(pages):
        sections = by_number[chunk.meta["page"]].sections
        start, end = chunk.meta["span"]
        after = [*(section.start for section in sections[1:]), 10**9]
        touched = [
            list(section.path)
            for section, until in zip(sections, after, strict=False)
            if section.start < end and until > start
        ]
        assert chunk.meta.get("headings", []) in (touched or [[]])


def test_a_section_begins_a_chunk_and_takes_its_title_along() -> None:
    text = "Manual\nPumps\n" + "Oil them well. " * 6 + "\nValves\n" + "Close them. " * 9
    starts = [0, 7, text.index("Valves")]
    headings = [
        Heading(start=start, level=level, title=title)
        for start, level, title in zip(
            starts, (1, 2, 2), ("Manual", "Pumps", "Valves"), strict=True
        )
    ]

    first, second = split(outlined([Page(number=1, text=text)], [headings]))

    assert (first.content or "").startswith("Manual\nPumps\nOil")
    assert first.meta["headings"] == ["Manual", "Pumps"]
    assert (second.content or "").startswith("Valves\nClose")
    assert second.meta["headings"] == ["Manual", "Valves"]


def test_a_points_id_is_the_one_that_qdrant_haystack_gives_its_chunk() -> None:
    given = PageSlice(document_id="id", name="a.txt", pages=[Page(number=1, text="It runs.")])
    passages = PageSplitter(WORDS, OVERLAP, "m").run(given)["passages"]

    assert passages.ids == [str(UUID(convert_id(each.id))) for each in passages.documents]


def test_an_id_changes_with_all_that_makes_a_chunk_another_one() -> None:
    page = Page(number=1, text="Pumps need oil.")
    (first,) = split([page])

    others = [
        split([page], model="another"),
        split([page], document_id="another"),
        split([replace(page, number=2)]),
        split([replace(page, text="Pumps need air.")]),
        split([replace(page, part="a.pdf")]),
        split(outlined([page], [[Heading(start=0, level=1, title="T")]])),
    ]

    assert len({first.id, *(each[0].id for each in others)}) == 7
    assert split([page])[0].id == first.id
