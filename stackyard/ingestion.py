"""Send files and wait for their jobs: a few under way at a time, each with its own outcome."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from stackyard.client import Service
from stackyard.errors import ServiceError, Trouble
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
class Found:
    """A file and the name that the service will know it by."""

    path: Path
    name: str


@dataclass(frozen=True)
class Result:
    """What became of one file."""

    name: str
    status: str
    chunks: int
    reason: str


@dataclass(frozen=True)
class Collected:
    """The files of some paths, and those of the folders that no reader is for."""

    files: list[Found]
    left_out: list[Path]
    clashes: list[Result]


def collect(paths: Sequence[Path]) -> Collected:
    """Return the documents in the paths; a file that is named is taken whatever its type."""
    files: list[Path] = []
    left_out: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = [
                each
                for each in sorted(path.rglob("*"))
                if each.is_file() and not _hidden(each, path)
            ]
            files += [each for each in inside if _known(each)]
            left_out += [each for each in inside if not _known(each)]
        elif path.is_file():
            files.append(path)
        else:
            message = f"{path} is neither a file nor a folder"
            raise Trouble(message, f"ls -l {path.parent}")
    if not files:
        message = f"no document in {', '.join(map(str, paths))}; known types are {' '.join(KNOWN)}"
        raise Trouble(message, "name a file or another folder")
    return _without_clashes(list(dict.fromkeys(files)), left_out)


def _without_clashes(files: list[Path], left_out: list[Path]) -> Collected:
    """Keep the first file of each name: to the service a second one would replace it."""
    first: dict[str, Path] = {}
    clashes: list[Result] = []
    for path in files:
        if path.name in first:
            reason = f"would replace {first[path.name]}, which has the same name"
            clashes.append(Result(str(path), "refused", 0, reason))
        else:
            first[path.name] = path
    return Collected([Found(path, name) for name, path in first.items()], left_out, clashes)


def ingest(
    service: Service,
    files: Sequence[Found],
    collection: str | None,
    on_result: Callable[[Result], None],
    readers: str | None = None,
) -> list[Result]:
    """Upload the files and wait for their jobs; a refused file does not stop the others."""
    results: list[Result] = []
    waiting: list[Job] = []

    def finish(result: Result) -> None:
        results.append(result)
        on_result(result)

    for file in files:
        try:
            waiting.append(service.upload(file.path, file.name, collection, readers))
        except OSError as error:
            finish(Result(file.name, "refused", 0, error.strerror or str(error)))
        except ServiceError as error:
            if error.status in FATAL:
                raise
            finish(Result(file.name, "refused" if error.status < 500 else "failed", 0, str(error)))
        if len(waiting) >= UNDER_WAY:
            finish(_result(service.wait_job(waiting.pop(0))))
    for job in waiting:
        finish(_result(service.wait_job(job)))
    return results


def _result(job: Job) -> Result:
    return Result(job.name, job.status, job.chunks, job.reason)


def _known(path: Path) -> bool:
    return path.name.lower().endswith(KNOWN)


def _hidden(path: Path, below: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(below).parts)
