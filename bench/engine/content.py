"""What the stub services hold: passages, one question, and an answer that the passages support."""

import random
from dataclasses import dataclass

DIMENSION = 2048
PASSAGES = 100
PASSAGE_CHARACTERS = 1000
TOKENS = 50
QUESTION = "How does the turbine station measure the pressure of the cooling water?"

# Every passage speaks of the question, so that no engine has a reason to leave one out.
_SENTENCES = (
    "The turbine station measures the pressure of the cooling water with a {0} gauge in hall {1}.",
    "Each {0} gauge of the turbine station shows the water pressure on a dial beside pump {1}.",
    "The station crew reads the pressure of the cooling water and writes it into ledger {1}.",
    "Cooling water of the turbine loses {1} units of pressure behind the {0} filter.",
)
_WORDS = ("brass", "ceramic", "copper", "mercury", "nickel", "quartz", "silver", "spring", "steel")

# Three sentences that the first passage holds word for word: fifty words, one a token.
ANSWER = (
    "The turbine station measures the pressure of the cooling water with two brass gauges "
    "beside the inlet. "
    "Both gauges of the turbine station show the water pressure every second on a dial upstairs. "
    "The station crew reads the cooling pressure twice and writes it into the blue ledger on "
    "weekdays."
)
LAST_WORD = "weekdays."  # stands in no other sentence: an answer that holds it is whole


@dataclass(frozen=True)
class Passage:
    """One chunk as it lies in the vector store."""

    number: int
    text: str

    @property
    def id(self) -> str:
        return f"00000000-0000-4000-8000-{self.number:012d}"


def passages() -> list[Passage]:
    """Return the PASSAGES of the store; the first one holds the answer."""
    starts = (ANSWER if number == 0 else "" for number in range(PASSAGES))
    return [Passage(number, page(number, start)) for number, start in enumerate(starts)]


def page(number: int, start: str = "", characters: int = PASSAGE_CHARACTERS) -> str:
    """Return a page of at most so many characters, the same for the same number."""
    chosen = random.Random(number)
    text = start
    while len(text) < characters:
        sentence = chosen.choice(_SENTENCES).format(chosen.choice(_WORDS), chosen.randrange(10**6))
        text = f"{text} {sentence}".strip()
    return text[: characters - 1].rsplit(" ", 1)[0].rstrip(".") + "."


def tokens() -> list[str]:
    """Return the answer in TOKENS pieces, one word each."""
    first, *rest = ANSWER.split(" ")
    return [first, *(f" {word}" for word in rest)]


def vector() -> list[float]:
    """Return the unit vector of everything, with as many digits as a model server sends."""
    chosen = random.Random(DIMENSION)
    raw = [chosen.gauss(0, 1) for _ in range(DIMENSION)]
    length = sum(value * value for value in raw) ** 0.5
    return [round(value / length, 10) for value in raw]
