"""The sample documents of a first run, and the question that shows that it works."""

from pathlib import Path

from stackyard.client import Service
from stackyard.errors import Trouble
from stackyard.files import Found
from stackyard.ingestion import Tell, ingest
from stackyard.project import PACKAGE

FOLDER = PACKAGE / "examples" / "documents"
QUESTION = "How many days of paid vacation does an employee get each year?"


def files() -> list[Path]:
    return sorted(path for path in FOLDER.iterdir() if path.is_file())


def add_missing(service: Service, tell: Tell) -> int:
    """Upload the samples that the service does not have; return how many those were."""
    there = {document.name for document in service.documents() if document.status == "done"}
    missing = [Found(path, path.name) for path in files() if path.name not in there]
    results = ingest(service, missing, None, lambda result: tell(f"{result.name} {result.status}"))
    refused = [f"{result.name}: {result.reason}" for result in results if result.status != "done"]
    if refused:
        message = f"sample documents were not taken: {'; '.join(refused)}"
        raise Trouble(message, "stackyard logs app")
    return len(missing)
