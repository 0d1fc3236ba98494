"""KEDA itself scales the language model of a stack on a cluster that is there, by its own queue.

Real are KEDA's controllers, its metrics server and its scaler (tests/e2e/keda.py), the autoscaler
that KEDA makes, and every answer meanwhile.
"""

import json
import subprocess
from collections.abc import Callable, Iterator

import httpx
import pytest

from infra.components.scaling import MOST_UP, ONE_DOWN_SECONDS
from tests.e2e.keda import ADOPTED, keda_on
from tests.e2e.team import Team, make_team
from tests.e2e.test_journey import ready, upload
from tests.e2e.test_scaling import ASKING, TEXT, Asking, until
from tests.e2e.yard import Yard

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.timeout(3600)]

NAME = "keda"
MODELS = f"models-{NAME}"
METRICS = "/apis/external.metrics.k8s.io/v1beta1"


@pytest.fixture(scope="module")
def team(
    yard: Yard, pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Team]:
    models = {"llm": {"scaling": {"max": 2, "waiting": 2, "downMinutes": 0}}}
    with keda_on(yard, pytestconfig):
        team = make_team(yard, tmp_path_factory.mktemp(NAME), NAME, models=models, keda=ADOPTED)
        team.pulumi("up", "--yes", "--skip-preview")
        yield team
        # KEDA is still there: it takes its mark off the object that is to go
        team.stackyard("down", "--delete-data", "--yes")


@pytest.fixture(scope="module")
def client(yard: Yard, team: Team) -> Iterator[Callable[[], httpx.Client]]:
    """Clients of the team's app, which is reached inside of the cluster only."""
    outputs = json.loads(team.pulumi("stack", "output", "--json", "--show-secrets"))
    headers = {"Authorization": f"Bearer {outputs['apiKey']}"}
    command = ["kubectl", "port-forward", "-n", f"rag-{NAME}", "service/rag", ":1416"]
    environment = yard.environment | yard.shell_environment()
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None  # it is a pipe
        address = process.stdout.readline().split()[2]  # Forwarding from ADDRESS -> 1416
        yield lambda: httpx.Client(base_url=f"http://{address}", headers=headers, timeout=60)
        process.terminate()


def test_keda_takes_our_object_as_it_is_and_makes_the_autoscaler_that_we_mean(
    yard: Yard, team: Team
) -> None:
    wait = ["wait", "-n", MODELS, "scaledobject/llm", "--timeout=120s"]
    yard.kubectl(*wait, "--for=condition=Ready")

    (scaled,) = yard.objects("scaledobjects", "-n", MODELS)
    (scaler,) = yard.objects("horizontalpodautoscalers", "-n", MODELS)
    asked = {
        each["external"]["metric"]["name"]: each["external"]["target"]
        for each in scaler["spec"]["metrics"]
    }
    assert sorted(asked) == sorted(scaled["status"]["externalMetricNames"])
    assert sorted(asked.values(), key=str) == [
        {"type": "AverageValue", "averageValue": "2"},
        {"type": "Value", "value": "800m"},
    ]
    assert {value(yard, name) for name in asked} == {"0"}
    assert (scaler["spec"]["minReplicas"], scaler["spec"]["maxReplicas"]) == (1, 2)
    behaviour = scaler["spec"]["behavior"]
    assert behaviour["scaleUp"]["policies"][0]["value"] == MOST_UP
    assert behaviour["scaleDown"]["policies"] == [
        {"type": "Pods", "value": 1, "periodSeconds": ONE_DOWN_SECONDS}
    ]


def test_a_queue_brings_a_second_server_by_keda_and_its_end_takes_it_away(
    yard: Yard, client: Callable[[], httpx.Client]
) -> None:
    with client() as service:
        ready(service)
        assert upload(service, "lighthouse.md", TEXT.encode())["status"] == "done"

    with Asking(client, ASKING) as crowd:
        up = until(yard, MODELS, 2)
    with Asking(client, 1) as last:
        down = until(yard, MODELS, 1)

    assert crowd.wrong + last.wrong == []
    print(f"second server after {up:.0f} s, gone {down:.0f} s after the crowd; ", end="")
    print(f"{crowd.answered + last.answered} answers, none failed")


def test_what_keda_writes_is_no_change_to_the_next_up(team: Team) -> None:
    team.pulumi("preview", "--expect-no-changes")


def value(yard: Yard, metric: str) -> str:
    """Return what Kubernetes' autoscaler gets as an answer to its question."""
    path = f"{METRICS}/namespaces/{MODELS}/{metric}"
    selector = "labelSelector=scaledobject.keda.sh%2Fname%3Dllm"
    (item,) = json.loads(yard.kubectl("get", "--raw", f"{path}?{selector}"))["items"]
    return str(item["value"])
