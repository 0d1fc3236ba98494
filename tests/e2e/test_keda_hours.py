"""KEDA itself takes a model away after hours and brings it back, on a node that says it has a GPU.

KEDA is real (tests/e2e/keda.py); NVIDIA's image is doubled as in test_gpu_nodes.py.
"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, get_args

import pytest

from infra.components.keda import IDLE_SECONDS
from infra.schema.scaling import Day
from tests.e2e.keda import ADOPTED, keda_on
from tests.e2e.team import Team
from tests.e2e.test_gpu_nodes import KEY, embedding_pods, nim_team
from tests.e2e.test_scaling import ready_ones
from tests.e2e.yard import Yard

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.timeout(3600)]

NAME = "hours"
MODELS = f"models-{NAME}"
DAYS = get_args(Day)


@pytest.fixture(scope="module")
def team(
    yard: Yard, pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Team]:
    """A stack with a NIM, brought up on a day on which it is closed."""
    closed = {"hours": hours(open_now=False)}
    folder = tmp_path_factory.mktemp(NAME)
    with (
        keda_on(yard, pytestconfig),
        nim_team(yard, folder, NAME, models=closed, keda=ADOPTED) as team,
    ):
        team.pulumi("config", "set", "--secret", "stackyard:ngcApiKey", KEY)
        team.pulumi("up", "--yes", "--skip-preview")
        yield team


def hours(*, open_now: bool) -> dict[str, Any]:
    """Return office hours of whole days, with or without this one and those beside it."""
    today = datetime.now(UTC).weekday()
    ahead = (-1, 0, 1) if open_now else (2, 3)
    days = [DAYS[(today + each) % len(DAYS)] for each in ahead]
    return {"start": "00:00", "end": "23:59", "days": days}


def test_after_hours_a_model_goes_and_it_comes_back_without_a_download(
    yard: Yard, team: Team
) -> None:
    downloads = [job["metadata"]["uid"] for job in yard.objects("jobs", "-n", MODELS)]
    (server,) = embedding_pods(yard, MODELS)  # it may be looked at for a while

    gone = until(yard, 0)
    for number, day in enumerate(hours(open_now=True)["days"]):
        team.pulumi("config", "set", "--path", f"stackyard:models.hours.days[{number}]", day)
    team.pulumi("up", "--yes", "--skip-preview")
    back = until(yard, 1)

    (again,) = embedding_pods(yard, MODELS)
    assert again["metadata"]["uid"] != server["metadata"]["uid"]
    assert downloads == [job["metadata"]["uid"] for job in yard.objects("jobs", "-n", MODELS)]
    print(f"gone after {gone:.0f} s, ready {back:.0f} s after the hours had come")


def until(yard: Yard, wanted: int) -> float:
    """Wait for so many servers of the NIM, all ready; return the seconds that it took."""
    began = time.monotonic()
    while ready_ones(embedding_pods(yard, MODELS)) != [True] * wanted:
        assert time.monotonic() < began + IDLE_SECONDS + 240
        time.sleep(2)
    return time.monotonic() - began
