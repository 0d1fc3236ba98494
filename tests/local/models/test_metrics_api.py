"""The stand-in for KEDA's metrics server: what Kubernetes asks, over what model servers tell."""

import asyncio
import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.models.metrics_api import GaugeSource, gauge_of, load_sources, metrics_app
from local.models.settings import SettingsError

ROOT = Path(__file__).parents[3]
PATH = "/apis/external.metrics.k8s.io/v1beta1"
PAGE = '# HELP q n\n# TYPE q gauge\nq{model_name="m"} 6\nq_other 9\nuse{model_name="m"} 0.5\n'


class Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(PAGE.encode())

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    server = ThreadingHTTPServer(("", 0), Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


def ask(port: int, name: str, hosts: list[str]) -> httpx.Response:
    """Ask for a number over the servers at some addresses of this machine."""
    url = f"http://servers.models.svc:{port}/v1/metrics"
    sources = {
        "llm-queue": GaugeSource(url, "q", "sum"),
        "llm-cache": GaugeSource(url, "use", "average"),
        "llm-none": GaugeSource(url, "nothing", "sum"),
    }
    app = metrics_app(sources, lambda host, _port: hosts if host == "servers.models.svc" else [])

    async def get() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="https://api") as client:
            return await client.get(f"{PATH}/namespaces/models-dev/{name}")

    return asyncio.run(get())


def test_a_queue_is_summed_and_a_share_averaged_over_the_servers(port: int) -> None:
    both = ["127.0.0.1", "127.0.0.2"]

    (queue,) = ask(port, "llm-queue", both).json()["items"]
    (cache,) = ask(port, "llm-cache", both).json()["items"]

    assert (queue["metricName"], queue["value"]) == ("llm-queue", "12000m")
    assert cache["value"] == "500m"


def test_a_server_that_does_not_answer_is_left_out_and_none_is_an_error(port: int) -> None:
    (queue,) = ask(port, "llm-queue", ["127.0.0.1", "127.0.0.1:1"]).json()["items"]
    nobody = ask(port, "llm-queue", [])

    assert queue["value"] == "6000m"
    assert nobody.status_code == 503
    assert "none of 0 servers behind servers.models.svc answers" in nobody.json()["message"]


def test_an_unknown_number_and_an_unknown_gauge_say_so(port: int) -> None:
    unknown = ask(port, "other", ["127.0.0.1"])
    missing = ask(port, "llm-none", ["127.0.0.1"])

    assert unknown.status_code == 404
    assert unknown.json()["message"] == (
        "there is no metric other; there are llm-queue, llm-cache, llm-none"
    )
    assert missing.status_code == 503
    assert "there is no nothing among its metrics" in missing.json()["message"]


def test_a_gauge_is_found_by_its_whole_name() -> None:
    assert gauge_of(PAGE, "q_other") == 9
    with pytest.raises(ValueError, match="there is no q_oth"):
        gauge_of(PAGE, "q_oth")


def test_what_it_cannot_read_is_named() -> None:
    for text in ("", "[]", '{"a": {"url": "u"}}'):
        with pytest.raises(SettingsError, match="LOCAL_MODELS_GAUGES is"):
            load_sources({"LOCAL_MODELS_GAUGES": text})


def test_the_command_serves_it_over_tls(port: int) -> None:
    gauges = (
        f'{{"n": {{"url": "http://localhost:{port}/v1/metrics", "gauge": "q", "over": "sum"}}}}'
    )
    command = [sys.executable, "-m", "local.models", "metrics-api", "--port", "0"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LOCAL_MODELS_GAUGES": gauges}
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip().replace("http://0.0.0.0", "https://127.0.0.1")
        with httpx.Client(base_url=address.rpartition(" ")[2], verify=context) as client:
            listed = client.get(PATH).raise_for_status().json()
            answer = client.get(f"{PATH}/namespaces/x/n").raise_for_status().json()
        process.terminate()

    assert [each["name"] for each in listed["resources"]] == ["n"]
    assert answer["items"][0]["value"] == "6000m"
