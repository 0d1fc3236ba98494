"""What is kept of texts: many small ones, few large ones, and no word that is a whole text."""

from pipelines import passage, words

CHINESE = "".join(map(chr, range(0x4E00, 0x4E00 + 900)))


def test_texts_without_spaces_are_few_of_those_that_are_kept() -> None:
    small, large = passage._small, passage._large
    for kept in (small, large):
        kept.cache_clear()

    for number in range(2 * passage.KEPT_LARGE):
        passage.taken_apart(f"{number}{CHINESE}")
        passage.taken_apart(f"Pump {number} needs oil, für die Ventile.")

    assert large.cache_info().currsize == passage.KEPT_LARGE
    assert small.cache_info().currsize == 2 * passage.KEPT_LARGE


def test_a_word_that_is_a_whole_text_is_not_kept() -> None:
    words._kept.cache_clear()

    found = words.key_words(f"{CHINESE} oil")

    assert len(found) == len(CHINESE)  # each two neighbours, and the oil
    assert words._kept.cache_info().currsize == 1
