"""The hand-written chain and our pipeline in one process, against the real stub."""

import pytest

from bench.engine import inside
from bench.engine.process import two_cores
from bench.engine.servers import stub
from bench.engine.stub import Delays

QUICK = Delays(embed=0.001, search=0.001, rank=0.001, chat=0.002)


def test_each_way_answers_and_is_measured_in_each_round() -> None:
    cores = two_cores()
    with stub(cores.rest, QUICK) as url:
        seen = inside.inside(url, cores, rounds=2, seconds=0.3)

    rounds = (seen.chain, seen.pipeline, seen.checked)
    # void where the machine was busy with other things
    assert [len(each) for each in rounds] in ([2, 2, 2], [0, 0, 0])
    assert all(0 < value < 100 for each in rounds for value in each)


def test_beside_a_busy_stub_nothing_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    cores = two_cores()
    monkeypatch.setattr(inside, "busy_share", lambda *_: 0.9)
    with stub(cores.rest, QUICK) as url:
        assert inside.inside(url, cores, rounds=1, seconds=0.1) == inside.Inside()
