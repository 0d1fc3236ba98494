"""What the service answers, typed, and how each is read from its JSON. Standard library only."""

from dataclasses import dataclass

Json = dict[str, object]
FINAL = ("done", "refused", "failed", "cancelled")


@dataclass(frozen=True)
class Citation:
    """Where an answer comes from."""

    n: int
    document: str
    document_id: str
    page: int
    quote: str
    span: tuple[int, int]


@dataclass(frozen=True)
class Answer:
    """An answer, its citations, and the whole response for those who want more."""

    text: str
    answerable: bool
    citations: list[Citation]
    raw: Json


@dataclass(frozen=True)
class Hit:
    """A passage that was found; `score` is None where the service does not say."""

    document: str
    page: int
    text: str
    score: float | None


@dataclass(frozen=True)
class Job:
    """The indexing of one uploaded file."""

    id: str
    document_id: str
    name: str
    status: str
    chunks: int
    reason: str
    warnings: tuple[str, ...] = ()

    @property
    def ended(self) -> bool:
        return self.status in FINAL


@dataclass(frozen=True)
class Document:
    """A document that the service has."""

    id: str
    name: str
    collection: str
    status: str
    pages: int
    chunks: int
    warnings: tuple[str, ...] = ()
    quarantined: bool = False


def answer_from(body: Json) -> Answer:
    listed = body.get("citations")
    citations = [
        Citation(
            int(entry["n"]),
            str(entry["document"]),
            str(entry["document_id"]),
            int(entry["page"]),
            str(entry["quote"]),
            (int(entry["span"][0]), int(entry["span"][1])),
        )
        for entry in (listed if isinstance(listed, list) else [])
    ]
    return Answer(str(body.get("answer", "")), bool(body.get("answerable")), citations, body)


def hit_from(entry: Json) -> Hit:
    score = entry.get("score")
    return Hit(
        str(entry["document"]),
        _number(entry.get("page")),
        str(entry.get("text") or ""),
        float(score) if isinstance(score, int | float) else None,
    )


def job_from(body: Json) -> Job:
    return Job(
        str(body["id"]),
        str(body["document_id"]),
        str(body.get("name", "")),
        str(body.get("status", "queued")),
        _number(body.get("chunks")),
        str(body.get("reason") or ""),
        warnings_from(body),
    )


def warnings_from(body: Json) -> tuple[str, ...]:
    """Return each warning in a few words, such as `hidden-text on page 3`."""
    listed = body.get("warnings")
    entries = listed if isinstance(listed, list) else []
    return tuple(f"{entry['kind']} on page {entry['page']}" for entry in entries)


def document_from(body: Json) -> Document:
    return Document(
        str(body["id"]),
        str(body.get("name", "")),
        str(body.get("collection", "")),
        str(body.get("status", "")),
        _number(body.get("pages")),
        _number(body.get("chunks")),
        warnings_from(body),
        bool(body.get("quarantined")),
    )


def _number(value: object) -> int:
    return int(value) if isinstance(value, (int, float)) else 0
