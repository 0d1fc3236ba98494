"""Measures of one question, against values worked out by hand."""

import math

import pytest

from stackyard.evaluation.metrics import answering, first_ranks, ranking
from stackyard.evaluation.questions import Question, Source
from stackyard.evaluation.relevance import of_source, overlap
from stackyard.replies import Answer, Citation, Hit

QUOTE = "The pond freezes in January and thaws again in the middle of March."


def question(*sources: Source, answer: str | None = None) -> Question:
    asked = "When does the pond freeze?"
    return Question(id="1", question=asked, answer=answer, sources=sources)


def hit(text: str, score: float | None, document: str = "a.txt", page: int = 1) -> Hit:
    return Hit(document, page, text, score)


def citation(quote: str, document: str = "a.txt") -> Citation:
    return Citation(1, document, "id", 1, quote, (0, len(quote)))


POND = Source(document="a.txt", quote=QUOTE)
OTHER = Source(document="b.txt", quote="Skates cost nine dollars.")


def test_a_source_counts_once_at_the_first_passage_that_overlaps_it() -> None:
    hits = [hit("Elsewhere.", 0.9), hit(QUOTE, 0.8), hit(QUOTE + " More.", 0.7)]

    values = ranking(question(POND), hits)

    assert values["hit@1"] == 0
    assert values["mrr"] == 0.5
    assert values["ndcg@10"] == pytest.approx(1 / math.log2(3))
    assert values["recall@5"] == 1


def test_two_sources_are_graded_against_the_best_order_of_both() -> None:
    hits = [hit(QUOTE, 3), hit("No.", 2), hit("Skates cost nine dollars.", 1, "b.txt")]

    values = ranking(question(POND, OTHER), hits)

    assert values["ndcg@10"] == pytest.approx((1 + 0.5) / (1 + 1 / math.log2(3)))
    assert values["recall@10"] == 1


def test_a_source_below_the_tenth_place_gains_nothing() -> None:
    hits = [*(hit(f"No {n}.", 50 - n) for n in range(10)), hit(QUOTE, 1)]

    values = ranking(question(POND), hits)

    assert (values["ndcg@10"], values["recall@10"], values["recall@20"]) == (0, 0, 1)


def test_a_tie_counts_against_the_service() -> None:
    hits = [hit(QUOTE, 0.5), hit("One.", 0.5), hit("Two.", 0.5), hit("Three.", 0.4)]

    assert first_ranks(question(POND), hits) == [3]


def test_without_scores_the_places_count() -> None:
    assert first_ranks(question(POND), [hit("One.", None), hit(QUOTE, None)]) == [2]


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_no_number_is_refused(score: float) -> None:
    with pytest.raises(ValueError, match="expected a number"):
        ranking(question(POND), [hit(QUOTE, score)])


def test_a_passage_is_of_a_source_if_it_overlaps_the_quote_in_the_same_document_and_page() -> None:
    part = "pond freezes in January\n  and thaws again in the MIDDLE"

    assert of_source(hit(part, 1), POND)
    assert not of_source(hit(part, 1, "b.txt"), POND)
    assert not of_source(hit(part, 1, page=2), Source(document="a.txt", page=1, quote=QUOTE))
    assert of_source(hit("Anything.", 1, page=2), Source(document="a.txt", page=2))


def test_seven_words_in_a_row_are_not_an_overlap_of_long_texts() -> None:
    assert not overlap("the pond freezes in January and thaws every single year", QUOTE)
    assert overlap("so the pond freezes in January and thaws again, every year", QUOTE)


def test_scripts_without_spaces_are_compared_by_characters() -> None:
    assert overlap("池は一月に凍り、三月に溶けます。", "毎年池は一月に凍り、三月")
    assert not overlap("池は一月に凍り、三月に溶けます。", "スケート靴は九ドルです。")


def test_nothing_overlaps_an_empty_passage() -> None:
    assert not overlap("", QUOTE)


def test_citations_are_held_against_the_sources() -> None:
    given = Answer("In January.", True, [citation(QUOTE), citation("Not of it at all.")], {})

    values = answering(question(POND, OTHER, answer="In cold January"), given)

    assert values == {
        "answered": 1,
        "citation_precision": 0.5,
        "citation_recall": 0.5,
        "answer_words": pytest.approx(2 / 3),
    }


def test_a_refusal_is_right_where_nothing_answers() -> None:
    nothing = Question(id="2", question="Who?", answerable=False)
    refused, answered = Answer("No.", False, [], {}), Answer("Me.", True, [citation("x")], {})

    assert answering(nothing, refused) == {"refusal_precision": 1, "refusal_recall": 1}
    assert answering(nothing, answered) == {"refusal_recall": 0}
    assert answering(question(POND), refused) == {
        "refusal_precision": 0,
        "answered": 0,
        "citation_recall": 0,
    }
