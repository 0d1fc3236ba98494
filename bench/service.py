"""A running service: seconds per answer and chunks per second, over its real interface."""

import tempfile
import time
from pathlib import Path

from bench.results import Figure, Figures, figure
from stackyard import samples
from stackyard.client import Service
from stackyard.errors import Trouble

# The sample documents answer all of them: a refusal would cost no language model.
QUESTIONS = (
    samples.QUESTION,
    "Within how many hours is a lost laptop reported?",
    "What does a lunch in the canteen cost for employees?",
    "How much may a hotel cost at most a night?",
    "How high is the learning budget of everybody?",
)
ANSWERS = 15
INDEX_SECONDS = 900.0
PARAGRAPHS = 300


def answers(service: Service) -> Figures:
    """Ask one question after the other; the first one after a start counts by itself."""
    seconds = []
    for number in range(ANSWERS):
        start = time.perf_counter()
        service.ask(QUESTIONS[number % len(QUESTIONS)])
        seconds.append(time.perf_counter() - start)
    later = seconds[1:]
    return {
        "first answer": figure(seconds[0], "s"),
        "later answers, median": Figure(later, "s"),
        "later answers, slowest": figure(max(later), "s"),
    }


def indexing(service: Service) -> Figures:
    """Upload one new document of about PARAGRAPHS chunks, wait for its job, and delete it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "measured.txt"
        path.write_text(manual(PARAGRAPHS))
        start = time.perf_counter()
        job = service.wait_job(service.upload(path, path.name), INDEX_SECONDS)
        seconds = time.perf_counter() - start
    if job.status != "done":
        message = f"the document was {job.status}: {job.reason}"
        raise Trouble(message, "stackyard logs app")
    service.delete(job.document_id)
    return {
        "indexing, chunks": figure(job.chunks, "chunks"),
        "indexing": figure(job.chunks / seconds, "chunks/s"),
    }


def manual(paragraphs: int) -> str:
    """Return a text that no run before has indexed, one page a paragraph."""
    stamp = time.time_ns()
    sentence = (
        "Pump {0} of series {1} is oiled every {2} hours, and its filter is rinsed with water."
    )
    return "\f".join(
        " ".join(sentence.format(number, stamp, 100 + number + line) for line in range(7))
        for number in range(paragraphs)
    )
