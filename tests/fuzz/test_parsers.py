"""Odd inputs for every parser, few of them; `python -m tests.fuzz --inputs N` runs more."""

from pathlib import Path

import pytest

from tests.fuzz.parser import Parser
from tests.fuzz.parsers import parsers
from tests.fuzz.running import TooSlow, fuzzed, input_of

INPUTS = 12  # of each


def test_no_parser_crashes_or_raises_what_it_may_not(tmp_path: Path) -> None:
    for parser in parsers(tmp_path):
        tally = fuzzed(parser, INPUTS, seed=2, folder=tmp_path)

        assert tally.clean, (parser.name, tally)
        assert tally.inputs == tally.taken + tally.refused == INPUTS


def test_an_input_is_the_same_whenever_it_is_made(tmp_path: Path) -> None:
    first, again = (
        {each.name: input_of(each, 7, 11) for each in parsers(tmp_path)} for _ in range(2)
    )

    assert first == again


@pytest.mark.parametrize(
    ("error", "counted"),
    [
        (KeyError("x"), "refused"),
        (ValueError("x"), "raised"),
        (TooSlow(), "crashes"),
        (SystemExit(3), "crashes"),
    ],
    ids=["refused", "raised", "slow", "exit"],
)
def test_what_a_parser_does_wrong_is_counted(
    tmp_path: Path, error: BaseException, counted: str
) -> None:
    def run(data: bytes) -> None:
        if data == b"bad":
            raise error

    planted = Parser(
        "planted", lambda chance: b"bad" if chance.random() < 0.2 else b"good", run, (KeyError,)
    )
    bad = sum(input_of(planted, 1, number) == b"bad" for number in range(40))

    tally = fuzzed(planted, 40, seed=1, folder=tmp_path)

    found = {
        "refused": tally.refused,
        "raised": tally.raised.total(),
        "crashes": len(tally.crashes),
    }
    assert bad > 1
    assert found == {"refused": 0, "raised": 0, "crashes": 0} | {counted: bad}
    assert (tally.inputs, tally.taken) == (40, 40 - bad)
