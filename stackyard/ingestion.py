"""Send files and wait for their jobs: a few under way at a time, each with its own outcome."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from stackyard.buckets import is_address, listed
from stackyard.client import Service
from stackyard.errors import ServiceError, Trouble
from stackyard.files import Found
from stackyard.replies import Job

# what pipelines/reading reads; a contract test holds the two together
KNOWN = (
    *(".csv", ".docx", ".eml", ".epub", ".htm", ".html", ".json", ".jsonl", ".markdown", ".md"),
    *(".msg", ".pdf", ".pptx", ".tar", ".tar.gz", ".tgz", ".tsv", ".txt", ".xlsx", ".zip"),
)
# twice as many as the service works on at once: it never waits for the next upload
UNDER_WAY = 8
# the same for every further file: go on no further
FATAL = (401, 403, 507)

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Result:
    """What became of one file."""

    name: str
    status: str
    chunks: int
    reason: str
    # what its pages hold for a language model instead of for readers
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Collected:
    """The files of some paths, and those of the folders that no reader is for."""

    files: list[Found]
    left_out: list[Found]
    clashes: list[Result]


def collect(paths: Sequence[Path | str]) -> Collected:
    """Return the documents in the paths and below the addresses s3://BUCKET[/PREFIX].

    A file that is named is taken whatever its type.
    """
    files: list[Found] = []
    left_out: list[Found] = []
    for given in paths:
        if isinstance(given, str) and is_address(given):
            for each in listed(given):
                (files if _known(each.path) else left_out).append(each)
            continue
        path = Path(given)
        if path.is_dir():
            inside = [
                each
                for each in sorted(path.rglob("*"))
                if each.is_file() and not _hidden(each, path)
            ]
            files += [Found(each, each.name) for each in inside if _known(each)]
            left_out += [Found(each, each.name) for each in inside if not _known(each)]
        elif path.is_file():
            files.append(Found(path, path.name))
        else:
            message = f"{path} is neither a file nor a folder"
            raise Trouble(message, f"ls -l {path.parent}")
    if not files:
        message = f"no document in {', '.join(map(str, paths))}; known types are {' '.join(KNOWN)}"
        raise Trouble(message, "name a file or another folder")
    return _without_clashes(files, left_out)


def _without_clashes(files: list[Found], left_out: list[Found]) -> Collected:
    """Keep the first file of each name: to the service a second one would replace it."""
    first: dict[str, Found] = {}
    clashes: list[Result] = []
    for file in files:
        known = first.setdefault(file.name, file)
        if str(known) != str(file):
            reason = f"would replace {known}, which has the same name"
            clashes.append(Result(str(file), "refused", 0, reason))
    return Collected(list(first.values()), left_out, clashes)


def ingest(
    service: Service,
    files: Sequence[Found],
    collection: str | None,
    on_result: Callable[[Result], None],
    readers: str | None = None,
    *,
    helpers: int = 0,
) -> list[Result]:
    """Upload the files and wait for their jobs; a refused file does not stop the others.

    `helpers` is how many work on the queue beside the service.
    """
    under_way = UNDER_WAY * (1 + helpers)
    results: list[Result] = []
    waiting: list[Job] = []

    def finish(result: Result) -> None:
        results.append(result)
        on_result(result)

    for file in files:
        try:
            with file.local() as path:
                waiting.append(service.upload(path, file.name, collection, readers))
        except OSError as error:
            finish(Result(file.name, "refused", 0, error.strerror or str(error)))
        except ServiceError as error:
            if error.status in FATAL:
                raise
            finish(Result(file.name, "refused" if error.status < 500 else "failed", 0, str(error)))
        if len(waiting) >= under_way:
            finish(_result(service.wait_job(waiting.pop(0))))
    for job in waiting:
        finish(_result(service.wait_job(job)))
    return results


def _result(job: Job) -> Result:
    return Result(job.name, job.status, job.chunks, job.reason, job.warnings)


def _known(path: Path) -> bool:
    return path.name.lower().endswith(KNOWN)


def _hidden(path: Path, below: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(below).parts)
