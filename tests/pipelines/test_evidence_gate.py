"""The gate in front of the language model: by a calibration, or by two thresholds without one."""

import json

import pytest
from haystack import Document

from pipelines.calibration import FILE, Calibration, calibration
from pipelines.components.evidence_gate import EvidenceGate, close_coverage

QUESTION = "How many days of vacation does an employee get?"
HOLDING = "An employee gets 28 days of vacation. Unused days lapse in March."
PARTLY = "Each employee gets 28 days."


def passage(score: float, text: str = HOLDING, name: str = "1") -> Document:
    return Document(id=name, content=text, score=score)


def gate(fitted: Calibration | None) -> EvidenceGate:
    return EvidenceGate.calibrated(
        fitted, min_similarity=0.3, min_coverage=0.55, passage_characters=400
    )


def lets_through(through: EvidenceGate, cosine: float, ranked: Document) -> bool:
    return "passages" in through.run(QUESTION, [passage(cosine)], [ranked])


@pytest.mark.parametrize(
    ("score", "text", "expected"),
    [(0.5, PARTLY, True), (0.5, "The moon is far.", False), (0.3, PARTLY, False)],
)
def test_a_calibration_weighs_score_and_words_together(
    score: float, text: str, expected: bool
) -> None:
    fitted = Calibration(coverage_weight=0.2, least=0.6)

    assert lets_through(gate(fitted), 0.9, passage(score, text)) is expected


def test_all_words_in_one_place_are_enough_where_the_subject_is_near() -> None:
    fitted = Calibration(coverage_weight=0.2, least=0.9)

    assert lets_through(gate(fitted), 0.35, passage(0.1))
    assert not lets_through(gate(fitted), 0.25, passage(0.1))


def test_without_a_ranking_model_the_thresholds_hold_since_its_score_is_missing() -> None:
    fitted = Calibration(coverage_weight=0.2, least=0.9)

    assert lets_through(gate(fitted), 0.4, passage(0.4))
    assert not lets_through(gate(fitted), 0.2, passage(0.2))


def test_a_ranking_model_that_nothing_was_fitted_for_has_the_thresholds() -> None:
    assert calibration("nvidia/some-ranker") is None
    assert lets_through(gate(None), 0.4, passage(-7.5))


def test_the_words_of_a_question_count_only_where_they_stand_together() -> None:
    apart = passage(1.0, "An employee left. It rained. It snowed. The vacation was for days.")

    assert close_coverage(QUESTION, [passage(1.0)]) > close_coverage(QUESTION, [apart]) > 0


def test_what_was_fitted_says_on_what() -> None:
    for fitted in json.loads(FILE.read_text()).values():
        assert fitted["coverage_weight"] >= 0
        assert fitted["fitted"]["half"] == "A"
        assert fitted["fitted"]["unanswerable"] > fitted["fitted"]["answerable"] > 100
