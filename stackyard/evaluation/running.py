"""A run from the files to the result: ingest into a collection of its own, ask, summarize."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from stackyard.client import Service
from stackyard.errors import Trouble
from stackyard.evaluation.asking import Outcome, ask_all
from stackyard.evaluation.questions import Question
from stackyard.evaluation.result import Result, Subject, summarize
from stackyard.files import Found
from stackyard.ingestion import Collected, ingest
from stackyard.progress import Stages
from stackyard.target import Target

PLAIN_EVERY = 25  # lines of a log that nobody watches
SHOWN = 10


def digest(files: Sequence[Path]) -> str:
    """Return what tells other contents, names or numbers of files apart."""
    found = hashlib.sha256()
    for path in sorted(files, key=lambda path: path.name):
        found.update(path.name.encode() + b"\0")
        found.update(hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()[:12]


def run(
    target: Target,
    collected: Collected,
    questions: Sequence[Question],
    questions_file: Path,
    *,
    answers: bool,
    keep: bool,
    stages: Stages,
) -> Result:
    """Return the result; the documents are removed again unless they are to be kept."""
    paths = [file.path for file in collected.files]
    contents = digest(paths)
    collection = f"eval-{contents}"
    with target.service() as service:
        try:
            _fill(service, collected.files, collection, stages)
            outcomes = _ask(service, questions, collection, answers=answers, stages=stages)
        finally:
            if not keep:
                _remove(service, collection, stages)
    subject = Subject(
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        service=target.label,
        model=next((each.model for each in outcomes if each.model), ""),
        documents=len(paths),
        documents_digest=contents,
        questions_digest=digest([questions_file]),
    )
    return summarize(subject, outcomes)


def _fill(service: Service, files: Sequence[Found], collection: str, stages: Stages) -> None:
    """Upload what is not there yet; a document that is lost in silence would count as not found."""
    known = {each.name for each in service.documents(collection) if each.status == "done"}
    missing = [file for file in files if file.name not in known]
    with _progress(stages, "documents", len(missing)) as advance:
        results = ingest(service, missing, collection, lambda _: advance())
    bad = [result for result in results if result.status != "done"]
    if bad:
        lines = [f"  {each.name}: {each.status} {each.reason}" for each in bad[:SHOWN]]
        message = "\n".join([f"{len(bad)} document(s) were not indexed", *lines])
        raise Trouble(message, "take them out of the folder and out of the questions' sources")


def _ask(
    service: Service,
    questions: Sequence[Question],
    collection: str,
    *,
    answers: bool,
    stages: Stages,
) -> list[Outcome]:
    with _progress(stages, "questions", len(questions)) as advance:
        return ask_all(
            service, questions, collection, answers=answers, on_outcome=lambda _: advance()
        )


def _remove(service: Service, collection: str, stages: Stages) -> None:
    documents = service.documents(collection)
    with _progress(stages, "removal", len(documents)) as advance:
        for document in documents:
            service.delete(document.id)
            advance()


@contextmanager
def _progress(stages: Stages, name: str, total: int) -> Iterator[Callable[[], None]]:
    """Show a bar in a terminal, and a line now and then elsewhere."""
    live = stages.console.is_terminal
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    done = 0
    with (
        stages.stage(f"{total} {name}", shows_itself=True),
        Progress(*columns, TimeRemainingColumn(), console=stages.console, disable=not live) as bar,
    ):
        task = bar.add_task(name, total=total)

        def advance() -> None:
            nonlocal done
            done += 1
            bar.advance(task)
            if not live and done % PLAIN_EVERY == 0:
                stages.say(f"{done} of {total} {name}")

        yield advance
