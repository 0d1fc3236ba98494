"""`cluster.kind: existing` on the journey's own cluster, which plays the cluster of a user."""

import json
from collections.abc import Iterator

import pytest

from tests.e2e.team import Team, make_team
from tests.e2e.yard import Yard

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def team(yard: Yard, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    tls = {"tls": {"mode": "selfSigned"}}
    team = make_team(yard, tmp_path_factory.mktemp("team"), "team", network=tls)
    yield team
    team.stackyard("down", "--delete-data", "--yes")


def test_the_same_program_deploys_to_a_cluster_that_is_there_and_speaks_tls_inside(
    team: Team, yard: Yard
) -> None:
    team.pulumi("up", "--yes", "--skip-preview")

    url = json.loads(team.pulumi("stack", "output", "--json"))["url"]
    report = json.loads(team.stackyard("accept", "--json"))

    assert url == "http://rag.rag-team.svc:1416"
    assert report["passed"], report
    shown = yard.kubectl("--namespace", "rag-team", "get", "deployment", "rag", "-o", "json")
    (container,) = json.loads(shown)["spec"]["template"]["spec"]["containers"]
    called = [each["value"] for each in container["env"] if each["name"].endswith("_URL")]
    assert len(called) == 4
    assert all(each.startswith("https://") for each in called), called
    inside = {name["metadata"]["name"] for name in yard.objects("namespaces")}
    assert {"rag-team", "models-team", f"rag-{yard.stack}"} <= inside
