"""The bench's own way to a whole answer: its stub services, and the app as it starts it."""

import os
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from bench.engine import content
from bench.engine.measure import CONCURRENCY
from bench.engine.process import memory_mib
from bench.engine.servers import OURS, ask_once, ours, stub
from bench.engine.stub import Delays

pytestmark = pytest.mark.integration


def test_the_app_gives_a_whole_answer_from_the_stub_services(tmp_path: Path) -> None:
    core = min(os.sched_getaffinity(0))
    with stub(core, Delays(chat=0.05)) as url, ours(core, url, tmp_path, **CONCURRENCY) as server:
        # `ours` has waited for a first whole answer, and would have said what came instead.
        answer = ask_once(server)
        assert server.chat is not None
        streams = [ask_once(replace(server, query=each)) for each in (server.stream, server.chat)]
        asked = httpx.get(f"{url}/stub/counts", trust_env=False).json()

        assert server.name == OURS
        assert answer.status_code == 200
        assert answer.json()["answer"] == content.ANSWER
        assert answer.json()["citations"]
        for stream in streams:
            assert stream.headers["content-type"].startswith("text/event-stream")
            assert content.LAST_WORD in stream.text
            assert stream.text.endswith("data: [DONE]\n\n")
        assert asked["/v1/chat/completions"] >= 4
        assert memory_mib(server.pid) > 0
