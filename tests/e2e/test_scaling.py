"""The language model's own queue brings a second server, and its end takes it away again.

Doubled is KEDA's metrics server, by `metrics-api` of local/models. Real are the aggregated API, the
HorizontalPodAutoscaler and its controller, the Deployment, and every answer meanwhile.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.e2e.test_journey import ready, upload
from tests.e2e.yard import Yard

pytestmark = pytest.mark.e2e

SCALING = {"max": "2", "waiting": "2", "downMinutes": "0"}
ASKING = 8  # at once: two are answered, six wait, and two may wait for a server
TEXT = "# The lighthouse\n\nThe keeper trims the lamp at dusk. The horn sounds in fog only."


class Asking:
    """People who ask one question after the other; every answer that was none is kept."""

    def __init__(self, client: Callable[[], httpx.Client], people: int) -> None:
        self.client, self.people = client, people
        self.stop, self.answered, self.wrong = threading.Event(), 0, list[str]()

    def __enter__(self) -> "Asking":
        self.pool = ThreadPoolExecutor(self.people)
        for number in range(self.people):
            self.pool.submit(self._ask, number)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.pool.shutdown()

    def _ask(self, number: int) -> None:
        with self.client() as client:
            while not self.stop.is_set():
                question = f"When does the keeper trim the lamp, person {number}?"
                try:
                    answer = client.post("/query/run", json={"question": question}, timeout=120)
                except httpx.TransportError as error:
                    self.wrong.append(repr(error))
                    continue
                if answer.status_code == httpx.codes.OK:
                    self.answered += 1
                else:
                    self.wrong.append(f"{answer.status_code} {answer.text[:300]}")


@pytest.fixture(scope="module")
def namespace(yard: Yard) -> Iterator[str]:
    for name, value in SCALING.items():
        yard.pulumi("config", "set", "--path", f"stackyard:models.llm.scaling.{name}", value)
    yard.pulumi("up", "--yes", "--skip-preview", "--non-interactive")
    yield f"models-{yard.stack}"
    yard.pulumi("config", "rm", "--path", "stackyard:models.llm.scaling")
    yard.pulumi("up", "--yes", "--skip-preview", "--non-interactive")


def servers(yard: Yard, namespace: str) -> list[bool]:
    """Return whether each server of the language model is ready, those that leave as well."""
    return ready_ones(yard.objects("pods", "-n", namespace, "-l", "app.kubernetes.io/name=llm"))


def ready_ones(pods: list[dict[str, Any]]) -> list[bool]:
    """Return whether each pod is ready."""
    conditions = [pod["status"].get("conditions", []) for pod in pods]
    return [
        any(each["type"] == "Ready" and each["status"] == "True" for each in one)
        for one in conditions
    ]


def until(yard: Yard, namespace: str, wanted: int) -> float:
    """Wait for so many servers, all ready, and no other; return the seconds that it took."""
    began = time.monotonic()
    while servers(yard, namespace) != [True] * wanted:
        if time.monotonic() > began + 240:
            told = yard.kubectl("describe", "hpa", "llm", "-n", namespace)
            pytest.fail(f"not {wanted} servers after 240 s:\n{told}")
        time.sleep(1)
    return time.monotonic() - began


def test_a_queue_brings_a_second_server_and_its_end_takes_it_away_and_no_question_fails(
    yard: Yard, service: httpx.Client, namespace: str
) -> None:
    ready(service)
    assert upload(service, "lighthouse.md", TEXT.encode())["status"] == "done"
    path = f"/apis/external.metrics.k8s.io/v1beta1/namespaces/{namespace}/llm-queue"
    (idle,) = json.loads(yard.kubectl("get", "--raw", path))["items"]

    with Asking(yard.client, ASKING) as crowd:
        up = until(yard, namespace, 2)
    with Asking(yard.client, 1) as last:
        down = until(yard, namespace, 1)

    assert idle["value"] in ("0", "0m")
    assert crowd.wrong + last.wrong == []
    print(f"second server after {up:.0f} s, gone {down:.0f} s after the crowd; ", end="")
    print(f"{crowd.answered + last.answered} answers, none failed")
