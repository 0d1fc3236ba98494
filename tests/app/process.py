"""A real `python -m app` with fakes behind it."""

import os
import queue
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import httpx

from tests.app.fake_qdrant import FakeQdrant
from tests.fakes.nim import FakeNim

ROOT = Path(__file__).parents[2]
KEY = "CANARY-KEY-0123456789"
T = TypeVar("T")


def until(look: Callable[[], T | None], seconds: float = 30.0) -> T:
    """Return the first true thing that `look` finds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.02)
    message = f"nothing within {seconds} s"
    raise AssertionError(message)


@dataclass
class AppProcess:
    """Start, call, stop, kill, start again on the same data."""

    directory: Path
    nim: FakeNim
    qdrant: FakeQdrant
    environment: dict[str, str] = field(default_factory=dict)
    file_size_limit: int | None = None
    prefix: tuple[str, ...] = ()  # of its command
    group: Path | None = None  # the entrance of a cgroup with a memory limit
    output: list[str] = field(default_factory=list)
    _process: subprocess.Popen[str] | None = None
    _reader: threading.Thread | None = None
    url: str = ""

    @property
    def keys_file(self) -> Path:
        return self.directory / "keys"

    def variables(self) -> dict[str, str]:
        """Return the environment of the app, and of whoever works on its data."""
        if not self.keys_file.exists():
            self.keys_file.write_text(f"{KEY}\n")
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "HOME": "/nonexistent",
            "RAG_QDRANT_URL": self.qdrant.url,
            "RAG_LLM_URL": self.nim.url,
            "RAG_LLM_MODEL": "fake-llm",
            "RAG_EMBEDDING_URL": self.nim.url,
            "RAG_EMBEDDING_MODEL": "fake-embedding",
            "RAG_EMBEDDING_DIMENSION": "384",
            "RAG_RANKING_URL": self.nim.url,
            "RAG_RANKING_MODEL": "fake-ranking",
            "RAG_API_KEYS_FILE": str(self.keys_file),
            "RAG_DATA_DIR": str(self.directory / "data"),
            "RAG_HOST": "127.0.0.1",
            "RAG_PORT": "0",
            "RAG_MIN_FREE_MB": "0",
            **self.environment,
        }

    def start(self) -> "AppProcess":
        def limit() -> None:
            if self.file_size_limit is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (self.file_size_limit,) * 2)
            if self.group is not None:
                self.group.write_text("0")
                # kubelet gives a pod with a limit above its request nearly this
                Path("/proc/self/oom_score_adj").write_text("1000")

        self._process = subprocess.Popen(
            [*self.prefix, sys.executable, "-m", "app"],
            cwd=self.directory,
            env=self.variables(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=limit,
        )
        ports: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, args=(self._process, ports))
        self._reader.start()
        port = ports.get(timeout=240)
        assert port is not None, "\n".join(self.output)
        self.url = f"http://127.0.0.1:{port}"
        until(lambda: self._is_alive() or None, 180)
        return self

    def _read(self, process: subprocess.Popen[str], ports: "queue.Queue[str | None]") -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.output.append(line)
            if '"event":"serving"' in line and (found := re.search(r'"port":(\d+)', line)):
                ports.put(found[1])
        ports.put(None)

    def _is_alive(self) -> bool:
        try:
            return httpx.get(f"{self.url}/healthz").status_code == 200
        except httpx.TransportError:
            return False

    @property
    def process(self) -> subprocess.Popen[str]:
        assert self._process is not None
        return self._process

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(timeout=30)
        assert self._reader is not None
        self._reader.join(timeout=10)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    def client(self, key: str | None = KEY, timeout: float = 30.0) -> httpx.Client:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=timeout)

    def upload(self, *files: tuple[str, bytes], collection: str | None = None) -> httpx.Response:
        with self.client() as client:
            return client.post(
                "/v1/documents",
                files=[("file", file) for file in files],
                data={"collection": collection} if collection else None,
            )

    def job(self, job_id: str, *, closed: bool = True) -> dict[str, object]:
        """Return a job, by default once it is closed."""

        def look() -> dict[str, object] | None:
            job: dict[str, object] = client.get(f"/v1/jobs/{job_id}").raise_for_status().json()
            return job if not closed or job["status"] not in ("queued", "running") else None

        with self.client() as client:
            return until(look)

    def indexed(self, name: str, content: bytes, **kwargs: str) -> dict[str, object]:
        """Upload one file and return its closed job."""
        response = self.upload((name, content), **kwargs)
        assert response.status_code == 202, response.text
        return self.job(response.json()["jobs"][0]["id"])

    def ask(self, question: str, **members: object) -> dict[str, object]:
        with self.client() as client:
            response = client.post("/query/run", json={"question": question, **members})
        assert response.status_code == 200, response.text
        answer: dict[str, object] = response.json()
        return answer
