"""A running service: seconds per answer and chunks per second, over its real interface."""

import json
import statistics
import time
from pathlib import Path

import httpx

from bench.results import Figure

QUESTIONS = Path(__file__).parents[1] / "tests/e2e/questions.json"
ANSWERS = 15
INDEX_SECONDS = 600


def answers(service: httpx.Client) -> list[Figure]:
    """Ask one question after the other; the first one after a start counts by itself."""
    questions = [asked["question"] for asked in json.loads(QUESTIONS.read_text())]
    seconds = []
    for number in range(ANSWERS):
        question = questions[number % len(questions)]
        start = time.perf_counter()
        service.post("/query/run", json={"question": question}).raise_for_status()
        seconds.append(time.perf_counter() - start)
    later = seconds[1:]
    return [
        {"what": "first answer", "value": round(seconds[0], 3), "unit": "s"},
        {"what": "later answers, median", "value": round(statistics.median(later), 3), "unit": "s"},
        {"what": "later answers, slowest", "value": round(max(later), 3), "unit": "s"},
    ]


def indexing(service: httpx.Client, document: Path) -> list[Figure]:
    """Upload one document and wait for its job."""
    start = time.perf_counter()
    with document.open("rb") as file:
        accepted = service.post("/v1/documents", files={"file": (document.name, file)})
    (job,) = accepted.raise_for_status().json()["jobs"]
    while job["status"] in ("queued", "running"):
        if time.perf_counter() - start > INDEX_SECONDS:
            message = f"{document.name} is not indexed after {INDEX_SECONDS} s: {job}"
            raise TimeoutError(message)
        time.sleep(0.2)
        job = service.get(f"/v1/jobs/{job['id']}").raise_for_status().json()
    seconds = time.perf_counter() - start
    return [
        {"what": f"{document.name}, pages", "value": job["pages"], "unit": ""},
        {"what": f"{document.name}, chunks", "value": job["chunks"], "unit": ""},
        {"what": "indexing", "value": round(seconds, 2), "unit": "s"},
        {"what": "indexing", "value": round(job["chunks"] / seconds, 1), "unit": "chunks/s"},
    ]
