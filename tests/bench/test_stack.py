"""What the commands of others print is read as figures."""

import pytest

from bench.engine.process import parse_core
from bench.memory import _workload, mebibytes
from bench.service import manual
from bench.stack import stages


def test_the_stages_of_up_become_figures() -> None:
    said = {"changed": 3, "seconds": {"tools": 1.25, "pulumi up": 40.5}, "url": "http://x"}

    found = stages(said)

    assert {name: (each.value, each.unit) for name, each in found.items()} == {
        "up: tools": (1.25, "s"),
        "up: pulumi up": (40.5, "s"),
        "up: resources changed": (3.0, "resources"),
    }


def test_an_up_without_seconds_is_an_error() -> None:
    with pytest.raises(TypeError, match="printed no seconds"):
        stages({"seconds": None})


@pytest.mark.parametrize(
    ("printed", "expected"),
    [("1.5GiB ", 1536), ("512MiB", 512), ("2048KiB", 2), ("1048576B", 1)],
)
def test_dockers_units_are_read(printed: str, expected: int) -> None:
    assert mebibytes(printed) == expected


def test_an_unknown_unit_is_refused() -> None:
    with pytest.raises(ValueError, match="no unit of bytes"):
        mebibytes("12 parsecs")


def test_pods_of_a_deployment_lose_what_changes_with_every_rollout() -> None:
    assert _workload("rag-6d4cf56db6-x7k2p") == "rag"
    assert _workload("qdrant-0") == "qdrant-0"


def test_waiting_for_a_disk_is_not_being_busy() -> None:
    stat = "cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\ncpu1 10 0 20 60 5 1 3 1 0 0\n"

    assert parse_core(stat, 1) == (35, 100)


def test_two_manuals_are_never_the_same() -> None:
    first, second = manual(3), manual(3)

    assert first.count("\f") == 2
    assert first != second
