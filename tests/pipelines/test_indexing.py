"""Documents in and out of the store."""

from dataclasses import replace

import pytest
from haystack.document_stores.types import DuplicatePolicy

from pipelines.errors import StageError
from pipelines.reading.page import Heading, Page, UnreadableDocument, outlined
from tests.fakes.nim import embed
from tests.pipelines.world import CANTEEN, MANUAL, World, a_world


def held(world: World, document_id: str) -> int:
    found = {"field": "meta.document_id", "operator": "==", "value": document_id}
    return world.store.count_documents_by_filter(found)


def test_a_chunk_is_the_page_text_at_its_span(world: World) -> None:
    chunks = world.store.filter_documents()

    texts = {"id-manual": MANUAL, "id-canteen": CANTEEN}
    for chunk in chunks:
        start, end = chunk.meta["span"]
        assert texts[chunk.meta["document_id"]][chunk.meta["page"] - 1][start:end] == chunk.content
    assert {(c.meta["document"], c.meta["page"]) for c in chunks} == {
        ("manual.pdf", 1),
        ("manual.pdf", 3),
        ("canteen.txt", 1),
    }


def test_passages_are_embedded_as_passages_and_cut_at_the_end(world: World) -> None:
    bodies = [request.body for request in world.nim.posts("/embeddings")]

    assert {(body["input_type"], body["truncate"]) for body in bodies} == {("passage", "END")}


def test_indexing_the_same_again_makes_no_duplicates(world: World) -> None:
    before = {chunk.id for chunk in world.store.filter_documents()}

    world.index("id-manual", "manual.pdf", MANUAL)

    assert {chunk.id for chunk in world.store.filter_documents()} == before


def test_a_new_version_replaces_the_old_one_and_nothing_else(world: World) -> None:
    chunks = world.index("id-manual", "manual.pdf", ["One page is left of the manual."])

    assert chunks == 1
    assert held(world, "id-manual") == 1
    assert held(world, "id-canteen") == 1


def test_a_run_that_was_cut_off_is_repaired_by_the_next() -> None:
    many = [f"Page {number} speaks of pumps." for number in range(40)]
    with a_world(attempts=1) as world:
        world.nim.fail_next(400, times=0)
        world.index("id", "a.txt", many)
        world.nim.fail_next(500, times=99)
        with pytest.raises(StageError):
            world.index("id", "a.txt", ["All new."])
        world.nim._faults.clear()

        world.index("id", "a.txt", many[:3])

        assert held(world, "id") == 3


def test_deleting_a_document_removes_all_its_chunks_and_tells_their_number(world: World) -> None:
    assert world.delete("id-manual") == 2
    assert held(world, "id-manual") == 0
    assert held(world, "id-canteen") == 1
    assert world.delete("id-manual") == 0


def test_deleting_nothing_in_particular_is_refused(world: World) -> None:
    with pytest.raises(ValueError, match="document_id is empty"):
        world.delete("")

    assert world.store.count_documents() == 3


def test_passing_failures_are_tried_again(empty_world: World) -> None:
    empty_world.nim.fail_next(503, times=2)

    assert empty_world.index("id", "a.txt", ["Pumps."]) == 1


def test_a_refusal_is_not_tried_again_and_names_its_stage(empty_world: World) -> None:
    empty_world.nim.fail_next(403)

    with pytest.raises(StageError) as caught:
        empty_world.index("id", "a.txt", ["Pumps."])

    assert (caught.value.stage, caught.value.status, caught.value.retryable) == (
        "embedding",
        403,
        False,
    )
    assert len(empty_world.nim.posts("/embeddings")) == 1


def test_progress_is_told_in_pages(empty_world: World) -> None:
    told: list[tuple[int, int]] = []

    empty_world.index(
        "id", "a.txt", ["Text."] * 600, on_progress=lambda done, of: told.append((done, of))
    )

    assert sorted(told) == told
    assert (len(told), told[-1]) == (3, (600, 600))


def test_a_table_of_contents_is_not_indexed(empty_world: World) -> None:
    lines = [f"{n}.1 How to care for pump {n}" + " ." * 40 + f" {n}" for n in range(1, 9)]

    chunks = empty_world.index("id", "a.pdf", ["\n".join(lines), "Pumps need oil. Wait... then."])

    assert chunks == 1


def test_metadata_goes_along_but_may_not_take_our_names(empty_world: World) -> None:
    empty_world.index("id", "a.txt", ["Pumps."], metadata={"team": "blue"})

    assert empty_world.store.filter_documents()[0].meta["team"] == "blue"
    with pytest.raises(ValueError, match="these names are taken"):
        empty_world.index("id", "a.txt", ["Pumps."], metadata={"span": 3})


def test_what_has_not_changed_is_not_embedded_again(world: World) -> None:
    before = len(world.nim.posts("/embeddings"))

    world.index("id-manual", "manual.pdf", MANUAL)
    same = len(world.nim.posts("/embeddings"))
    world.index("id-manual", "manual.pdf", [*MANUAL, "A new page on filters."])
    last = world.nim.posts("/embeddings")[-1]

    assert same == before
    assert last.body["input"] == ["A new page on filters."]


def test_a_server_that_knows_no_base64_is_asked_for_floats_from_then_on(
    empty_world: World,
) -> None:
    empty_world.nim.fail_next(422)

    empty_world.index("id", "a.txt", ["Pumps."])
    empty_world.index("id", "a.txt", ["Valves."])

    asked = [r.body.get("encoding_format") for r in empty_world.nim.posts("/embeddings")]
    assert asked == ["base64", None, None]


def test_the_vectors_are_those_of_the_model(empty_world: World) -> None:
    empty_world.index("id", "a.txt", ["Pumps need oil."])

    vector = embed("Pumps need oil.", 256)
    (found,) = empty_world.store._query_by_embedding(query_embedding=vector, top_k=1)
    assert found.score == pytest.approx(1.0)


def test_a_point_is_what_the_stock_writer_writes(empty_world: World) -> None:
    empty_world.index("id", "a.txt", ["Pumps need oil."])
    (ours,) = empty_world.store.filter_documents()
    before = empty_world.loop.run(empty_world.points.ids("id"))

    empty_world.store.write_documents(
        [replace(ours, embedding=[0.5] * 256)], policy=DuplicatePolicy.OVERWRITE
    )

    (theirs,) = empty_world.store.filter_documents()
    # the vectors differ, so that it was written at all
    assert theirs.embedding != ours.embedding
    assert replace(theirs, embedding=None) == replace(ours, embedding=None)
    assert empty_world.loop.run(empty_world.points.ids("id")) == before


def test_pages_without_a_sentence_are_refused_and_the_old_version_stays(world: World) -> None:
    contents = " ".join(f"{n}.1 Pump" + " ." * 40 for n in range(1, 9))

    with pytest.raises(UnreadableDocument) as caught:
        world.index("id-manual", "manual.pdf", [contents])

    assert caught.value.kind == "no-text"
    assert held(world, "id-manual") == 2


def test_chunks_carry_their_headings_and_the_file_they_are_in(empty_world: World) -> None:
    page = Page(number=1, text="Pumps\nThey need oil.", part="inner/manual.pdf")
    headings = [[Heading(start=0, level=1, title="Pumps")]]

    empty_world.index_pages("id", "all.zip", outlined([page], headings))

    (chunk,) = empty_world.store.filter_documents()
    assert (chunk.meta["headings"], chunk.meta["part"]) == (["Pumps"], "inner/manual.pdf")


@pytest.mark.parametrize(
    "answer",
    [
        {"data": []},
        {"data": [{"index": 7, "embedding": "AAAA"}]},
        {"data": [{"index": 0, "embedding": "no base64!"}]},
        {"data": [{"index": 0, "embedding": []}]},
        {"nothing": 1},
    ],
)
def test_an_answer_that_is_not_understood_is_told(
    empty_world: World, answer: dict[str, object]
) -> None:
    empty_world.nim.answer_next_with(answer)

    with pytest.raises(StageError) as caught:
        empty_world.index("id", "a.txt", ["Pumps."])

    assert (caught.value.stage, caught.value.kind) == ("embedding", "answer")
