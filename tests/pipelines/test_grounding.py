"""Whole sentences out of a stream, and which of them a passage supports."""

from haystack import Document

from pipelines.grounding import Grounding, SentenceBuffer, whole_words
from pipelines.words import key_words, view

PASSAGE = Document(
    content="The dinstall run happens four times a day. Uploads are scanned every 15 minutes. "
    "Mirrors are run by third parties."
)


def words(text: str) -> frozenset[str]:
    return frozenset(key_words(text))


def sentences(*deltas: str) -> list[str]:
    buffer = SentenceBuffer()
    found = [sentence for delta in deltas for sentence in buffer.feed(delta)]
    return [*found, buffer.rest()]


def supported(question: str, sentence: str, *, tolerance: float = 0.0) -> bool:
    return Grounding(question, [PASSAGE], tolerance).supporter(sentence) is not None


def test_sentences_leave_when_the_next_one_starts() -> None:
    assert sentences("Use 3", ".5 litres. ", "See e.g. ", "page 4. Then", " stop.") == [
        "Use 3.5 litres. ",
        "See e.g. page 4. ",
        "Then stop.",
    ]


def test_the_number_of_a_list_item_is_no_sentence() -> None:
    assert sentences("1. Open it.\n2. Close", " it.") == ["1. Open it.\n", "2. Close it."]


def test_a_sentence_in_the_passages_words_is_supported() -> None:
    assert supported("How often does dinstall run?", "Dinstall happens four times a day.")


def test_another_number_is_not_supported_however_tolerant() -> None:
    asked = "How often are uploads scanned?"

    assert supported(asked, "Uploads are scanned every 15 minutes.")
    assert not supported(asked, "Uploads are scanned every 90 minutes.", tolerance=0.9)


def test_tolerance_lets_other_words_through() -> None:
    asked, said = "How often are uploads scanned?", "Uploads are scanned periodically, 15 minutes."

    assert not supported(asked, said)
    assert supported(asked, said, tolerance=0.3)


def test_a_sentence_about_something_else_is_not_supported() -> None:
    assert not supported("How often are uploads scanned?", "Mirrors are run by third parties.")


def test_a_question_answers_nothing() -> None:
    assert not supported("How often are uploads scanned?", "Uploads are scanned every 15 minutes?")


def test_a_short_answer_needs_no_word_of_the_question() -> None:
    assert supported("How often are uploads scanned?", "Every 15 minutes.")


def test_broken_words_are_whole_for_models_and_for_comparing() -> None:
    assert view("devel-\nopers  read\nthis") == "developers read this"
    assert key_words("devel-\nopers") == key_words("Developer")


def test_scripts_without_spaces_are_compared_in_pairs() -> None:
    assert set(key_words("水漏れ")) < set(key_words("水漏れの原因"))


def test_a_sentence_may_go_on_as_long_as_one_window_holds_its_words() -> None:
    grounding = Grounding("How often are uploads scanned?", [PASSAGE], 0.0)

    assert grounding.holds(words("The uploads are"))
    assert grounding.holds(words("The uploads are scanned every 15"))
    assert not grounding.holds(words("The uploads are scanned every 90"))
    assert not grounding.holds(words("The uploads happen by third"))


def test_a_word_that_may_grow_waits_for_its_end_unless_it_says_nothing() -> None:
    begun = ("The", "The upl", "The uploads ", "It is 3", "It is 3.")

    assert [whole_words(text) for text in begun] == [
        "The",
        "The",
        "The uploads",
        "It is",
        "It is 3.",
    ]
