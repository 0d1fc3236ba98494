"""The acceptance journey against any running service; its report holds each step's evidence.

Runs as `python -m stackyard.accept` on any machine that reaches the URL, and inside a cluster as a
Job: it needs Python and httpx, nothing else of stackyard's dependencies.
"""

import argparse
import io
import json
import os
import ssl
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx

from stackyard.client import Service
from stackyard.connection import pinned
from stackyard.errors import NotThere, ServiceError, Trouble, explain
from stackyard.journey import NEEDED, OTHERS, PAGES, QUESTIONS, Question
from stackyard.pdf import write_pdf
from stackyard.replies import Answer, Json

COLLECTION = "stackyard-acceptance"  # apart from the users' documents
READY_SECONDS = 300.0
# made on a machine that reaches no image registry; they are beside the cluster, not in it
OF_THE_MACHINE = {"kind-node", "registry"}
FAILURES = (ServiceError, NotThere, Trouble, httpx.HTTPError, ValueError, KeyError)


class Unmet(Exception):
    """A step that ran and did not show what it had to."""


@dataclass
class Step:
    """One step of the journey and what it showed."""

    name: str
    passed: bool = False
    seconds: float = 0.0
    said: str = ""
    evidence: Json = field(default_factory=dict)


@dataclass
class Report:
    """The whole journey."""

    url: str
    stack: str
    started: str
    inventory: list[Json] | None  # None: addressed by URL, so its images are not known
    steps: list[Step] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return bool(self.steps) and all(step.passed for step in self.steps)

    def as_json(self) -> Json:
        return {"passed": self.passed, **asdict(self)}


class Journey:
    """Runs the steps in order; a step after a failed one is reported as not reached."""

    def __init__(self, service: Service, report: Report, tell: Callable[[str], None]) -> None:
        self.service = service
        self.report = report
        self._tell = tell
        # a name of its own for each run, so that two at once do not replace each other's document
        self._name = f"acceptance-{os.getpid()}-{time.time_ns() // 1_000_000}.pdf"
        self._document_id = ""
        self._uploaded: list[str] = []
        self._answers: list[tuple[Question, Answer]] = []

    def run(self) -> Report:
        steps: tuple[tuple[str, Callable[[Step], None]], ...] = (
            ("ready", self._ready),
            ("versions and digests", self._versions),
            ("a request without the key is refused", self._without_key),
            ("upload a PDF beside unrelated documents", self._upload),
            ("answers to questions with known answers", self._ask),
            ("each quote stands on its page", self._quotes),
            ("delete the PDF", self._delete),
            ("no longer cited", self._no_longer_cited),
        )
        try:
            for name, body in steps:
                self._tell(name)
                with self._step(name) as step:
                    body(step)
                if not self.report.steps[-1].passed:
                    self.report.steps += [
                        Step(later, said="not reached")
                        for later, _ in steps[len(self.report.steps) :]
                    ]
                    break
        finally:
            for document_id in self._uploaded:
                with suppress(ServiceError, NotThere, Trouble, httpx.HTTPError):
                    self.service.delete(document_id)
        return self.report

    @contextmanager
    def _step(self, name: str) -> Iterator[Step]:
        step, start = Step(name), time.monotonic()
        self.report.steps.append(step)
        try:
            yield step
            step.passed = True
        except Unmet as error:
            step.said = str(error)
        except FAILURES as error:
            step.said = explain(error)
        step.seconds = round(time.monotonic() - start, 2)

    def _ready(self, step: Step) -> None:
        self.service.wait_ready(READY_SECONDS, lambda _text: None)
        step.said = f"{self.service.url} is ready"

    def _versions(self, step: Step) -> None:
        models, inventory = self.service.models(), self.report.inventory
        step.evidence = {"models": models, "inventory": inventory}
        if not models:
            message = "/v1/models lists nothing"
            raise Unmet(message)
        if inventory is None:
            step.said = f"{', '.join(models)}; addressed by URL, so its images are not known"
            return
        if not inventory:
            message = "the stack exports no inventory"
            raise Unmet(message)
        bare = {str(entry["name"]) for entry in inventory if not entry.get("digest")}
        if bare - OF_THE_MACHINE:
            message = f"no digest is known of {', '.join(sorted(bare - OF_THE_MACHINE))}"
            raise Unmet(message)
        step.said = f"{len(inventory) - len(bare)} images by digest; {', '.join(models)}"
        step.said += f"; by tag only: {', '.join(sorted(bare))}" if bare else ""

    def _without_key(self, step: Step) -> None:
        if self.service.key is None:
            step.said = "the service is open to anybody who reaches it: no key was given"
            return
        with Service(self.service.url, None, trust=self.service.trust) as stranger:
            try:
                stranger.documents()
            except ServiceError as error:
                step.evidence = {"status": error.status, "type": error.kind}
                if error.status == 401:
                    step.said = "401"
                    return
                raise
        message = "the documents were listed without a key"
        raise Unmet(message)

    def _upload(self, step: Step) -> None:
        files = {self._name: write_pdf(PAGES, "Brindlewick Ferries")}
        files |= {name: text.encode() for name, text in OTHERS.items()}
        for name, content in files.items():
            job = self.service.upload_file(io.BytesIO(content), name, COLLECTION)
            self._uploaded.append(job.document_id)
            job = self.service.wait_job(job)
            if job.status != "done":
                message = f"{name} was {job.status}: {job.reason}"
                raise Unmet(message)
            step.evidence[name] = {"document_id": job.document_id, "chunks": job.chunks}
        self._document_id = self._uploaded[0]
        known = {document.id for document in self.service.documents(COLLECTION)}
        if not known.issuperset(self._uploaded):
            message = "an uploaded document is not listed"
            raise Unmet(message)
        step.said = f"{self._name} and {len(OTHERS)} others"

    def _ask(self, step: Step) -> None:
        rows: list[Json] = []
        for question in QUESTIONS:
            start = time.monotonic()
            answer = self.service.ask(question.text, COLLECTION)
            self._answers.append((question, answer))
            rows.append(
                {
                    "question": question.text,
                    "answer": answer.text,
                    "right": self._is_right(question, answer),
                    "seconds": round(time.monotonic() - start, 2),
                    "citations": answer.raw.get("citations"),
                }
            )
        right = sum(1 for row in rows if row["right"])
        step.evidence = {"right": right, "asked": len(rows), "needed": NEEDED, "questions": rows}
        step.said = f"{right} of {len(rows)} right"
        if right < NEEDED:
            message = f"{right} of {len(rows)} right, {NEEDED} are needed"
            raise Unmet(message)

    def _is_right(self, question: Question, answer: Answer) -> bool:
        """Right: answered, and a quote with the expected words is cited from the expected page."""
        return answer.answerable and any(
            citation.document_id == self._document_id
            and citation.page == question.page
            and question.expected in " ".join(citation.quote.split())
            for citation in answer.citations
        )

    def _quotes(self, step: Step) -> None:
        checked = 0
        for question, answer in self._answers:
            for citation in answer.citations:
                text = self.service.page_text(citation.document_id, citation.page)
                start, end = citation.span
                if text[start:end] != citation.quote:
                    message = (
                        f"{question.text!r}: {citation.quote!r} is not at {start}-{end} of page "
                        f"{citation.page} of {citation.document}"
                    )
                    raise Unmet(message)
                checked += 1
        if not checked:
            message = "no answer had a citation"
            raise Unmet(message)
        step.evidence = {"quotes": checked}
        step.said = f"{checked} quotes compared with the text of their pages"

    def _delete(self, step: Step) -> None:
        self.service.delete(self._document_id)
        self._uploaded.remove(self._document_id)
        if any(document.id == self._document_id for document in self.service.documents(COLLECTION)):
            message = "the deleted document is still listed"
            raise Unmet(message)
        step.said = self._name

    def _no_longer_cited(self, step: Step) -> None:
        for question in QUESTIONS:
            answer = self.service.ask(question.text, COLLECTION)
            cited = [each for each in answer.citations if each.document_id == self._document_id]
            if cited:
                message = f"{question.text!r} still cites page {cited[0].page} of {self._name}"
                raise Unmet(message)
        step.evidence = {"asked": len(QUESTIONS)}
        step.said = f"{len(QUESTIONS)} questions asked again"


def run(
    url: str,
    key: str | None,
    *,
    stack: str,
    inventory: list[Json] | None,
    tell: Callable[[str], None],
    trust: ssl.SSLContext | None = None,
) -> Report:
    """Perform the journey and return its report; a failure is in the report, not an exception."""
    report = Report(url, stack, datetime.now(UTC).isoformat(timespec="seconds"), inventory)
    with Service(url, key, trust=trust) as service:
        return Journey(service, report, tell).run()


def main(arguments: list[str] | None = None) -> int:
    """Run the journey from a shell or a Job; the report goes to stdout as one line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m stackyard.accept", description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--key-file", type=Path)
    parser.add_argument("--pin", type=Path, help="the one certificate that the service may show")
    parser.add_argument("--inventory", type=Path, help="a JSON list of {name, reference, digest}")
    parser.add_argument("--stack", default="")
    chosen = parser.parse_args(arguments)
    report = run(
        chosen.url,
        chosen.key_file.read_text().strip() if chosen.key_file else None,
        stack=chosen.stack,
        inventory=json.loads(chosen.inventory.read_text()) if chosen.inventory else None,
        tell=lambda text: print(text, file=sys.stderr, flush=True),
        trust=pinned(chosen.pin.read_text()) if chosen.pin else None,
    )
    print(json.dumps(report.as_json()), flush=True)
    return 0 if report.passed else 1


if __name__ == "__main__":
    sys.exit(main())
