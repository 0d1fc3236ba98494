"""Everything that one process shares, put together once."""

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from app.access.audit import Audit
from app.access.key_store import KeyStore
from app.answering import Answering
from app.backup.backups import Backups
from app.documents.indexer import Indexer
from app.documents.journal import Journal
from app.documents.ledger import Ledger
from app.documents.library import Library
from app.documents.opening import WrongFormat
from app.documents.shelf import Shelf
from app.documents.work import Work
from app.filling import Filling, losses
from app.generations import Generations
from app.indexing import ChunkIndex
from app.metrics import Metrics
from app.models import reading_limits
from app.readiness import Backend, Readiness
from app.reembedding import Reembedding
from app.routes.site import SitePipelines
from app.secrets import bearer, read_secret
from app.served import confirm_dimension, confirm_model
from app.settings import Settings, SettingsProblem
from app.sharing.locks import FileLock, SharedLock
from app.sharing.presence import Presence
from app.sharing.turnstile import Turnstile
from app.sharing.upkeep import Upkeep
from app.stores import Stores
from pipelines.convert import SITE
from pipelines.ocr import Ocr, OcrService, find_tesseract
from pipelines.site import Site, SiteProblem, read_site


@dataclass(frozen=True, kw_only=True)
class Service:
    """The parts that routes and wrappers work with."""

    settings: Settings
    upkeep: Upkeep
    metrics: Metrics
    readiness: Readiness
    library: Library
    index: ChunkIndex
    answering: Answering
    site: SitePipelines
    reembedding: Reembedding
    keys: KeyStore
    audit: Audit
    backups: Backups
    presence: Presence

    async def leave(self) -> None:
        """Say that this process is stopping, and let another one lead."""
        self.readiness.leaving = True
        await self.upkeep.stop()


_current: list[Service] = []


def current() -> Service:
    """Return the service of this process; Hayhooks builds wrappers without arguments."""
    return _current[-1]


def build(settings: Settings, *, helper: bool = False) -> Service:
    """Build the parts; nothing here speaks to a back end. A `helper` never leads."""
    metrics = Metrics()
    site = _site(settings.site_dir)
    presence, journal, shelf, keys = _open(settings.data_dir)
    lease = FileLock(settings.data_dir / "locks" / "lease")
    if not helper:
        lease.take()
    turnstile = Turnstile(settings.data_dir)
    ledger = Ledger(settings.data_dir / "embedded.sqlite3")
    generations = Generations(settings)
    losing = losses(journal, ledger)
    stores = Stores(settings, generations, lambda: journal.holdings.vectors, losing)
    switching = SharedLock(settings.data_dir / "locks" / "vectors")

    def settled() -> None:
        with switching:
            journal.holdings.look_again()

    index = ChunkIndex(settings, stores, settled)
    ocr = ocr_of(settings)
    work = Work(
        journal,
        shelf,
        index,
        limits=reading_limits(settings, ocr=ocr is not None),
        ocr=ocr,
        injections=settings.injections,
    )
    indexer = Indexer(
        journal,
        shelf,
        work,
        jobs=settings.indexing_jobs,
        turnstile=turnstile,
        runner=presence.token,
    )
    library = Library(
        journal=journal,
        shelf=shelf,
        indexer=indexer,
        collection=settings.collection,
        min_free_bytes=settings.min_free_mb * 2**20,
        default_readers=settings.default_readers,
        retention_days=settings.retention_days,
    )
    filling = Filling(journal, shelf, index, ledger)
    reembedding = Reembedding(
        journal=journal,
        filling=filling,
        stores=stores,
        generations=generations,
        ledger=ledger,
        turnstile=turnstile,
        switching=switching,
        runner=presence.token,
        collection=settings.collection,
    )
    audit = Audit(presence.file, questions=settings.audit_questions)
    backups = Backups(
        settings,
        library,
        keys,
        stores,
        presence=presence,
        turnstile=turnstile,
        lost=ledger.lost,
    )
    upkeep = Upkeep(
        lease=lease,
        presence=presence,
        turnstile=turnstile,
        library=library,
        reembedding=reembedding,
        audit=audit,
        tidy=[backups.tidy],
    )
    service = Service(
        settings=settings,
        upkeep=upkeep,
        site=SitePipelines(site),
        reembedding=reembedding,
        metrics=metrics,
        readiness=Readiness(_backends(settings)),
        library=library,
        index=index,
        answering=Answering(settings, stores, library, metrics, site),
        keys=keys,
        backups=backups,
        audit=audit,
        presence=presence,
    )
    metrics.gauge("rag_leads", lambda: {(): float(upkeep.leads)})
    metrics.gauge("rag_jobs", lambda: _by("status", journal.jobs_by_status()))
    metrics.gauge("rag_documents", lambda: {(): float(journal.count(None))})
    metrics.gauge("rag_reembedding_missing", lambda: _by("collection", filling.missing))
    metrics.gauge("rag_audit_lines", lambda: _of_replica(service.audit, service.audit.gauges()[0]))
    metrics.gauge("rag_audit_head", lambda: _of_replica(service.audit, service.audit.gauges()[1]))
    _current.append(service)
    return service


def _site(folder: Path | None) -> Site:
    try:
        site = read_site(folder)
    except SiteProblem as problem:
        lines = "\n".join(f"  {line}" for line in str(problem).splitlines())
        message = (
            f"RAG_SITE_DIR is {str(folder)!r}, which cannot be used:\n{lines}"
            "\nhint: docs/guides/site.md has what may be in it"
        )
        raise SettingsProblem(message) from None
    SITE.update(site.converters)
    return site


def ocr_of(settings: Settings) -> Ocr | None:
    if settings.ocr == "off":
        return None
    if settings.ocr != "tesseract" and settings.ocr_url is not None:
        return OcrService(settings.ocr_url, read_secret(settings.ocr_api_key_file))
    tesseract = find_tesseract(settings.ocr_languages, settings.conversion_mb * 2**20)
    if tesseract is None and settings.ocr == "tesseract":
        message = (
            "RAG_OCR is 'tesseract', and there is none on PATH\n"
            "hint: apt-get install tesseract-ocr (of a stack: in the image that app.baseImage "
            "names), or RAG_OCR=auto"
        )
        raise SettingsProblem(message)
    if tesseract is not None and (missing := tesseract.missing_languages()):
        message = (
            f"RAG_OCR_LANGUAGES is {settings.ocr_languages!r}, and tesseract has no"
            f" {', '.join(missing)}\nhint: apt-get install tesseract-ocr-{missing[0]},"
            " or RAG_OCR=off"
        )
        raise SettingsProblem(message)
    return tesseract


def _open(directory: Path) -> tuple[Presence, Journal, Shelf, KeyStore]:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        presence = Presence(directory)
        # One after the other: each may find something to set up.
        with SharedLock(directory / "locks" / "opening"):
            return (
                presence,
                Journal(directory / "journal.sqlite3"),
                Shelf(directory, presence.token),
                KeyStore(directory / "keys.sqlite3"),
            )
    except WrongFormat as error:
        message = (
            f"RAG_DATA_DIR is {str(directory)!r}, which cannot be used: {error}"
            "\nhint: stop the other processes first (in a stack `stackyard:app.update: recreate`"
            " for this update), or go back to the version that worked here"
        )
        raise SettingsProblem(message) from None
    except (OSError, sqlite3.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        message = (
            f"RAG_DATA_DIR is {str(directory)!r}, which cannot be used: {reason}"
            "\nhint: name a directory that this user may write to"
        )
        raise SettingsProblem(message) from None


def _by(label: str, counts: dict[str, int]) -> dict[tuple[tuple[str, str], ...], float]:
    return {((label, value),): float(count) for value, count in counts.items()}


def _of_replica(audit: Audit, value: float) -> dict[tuple[tuple[str, str], ...], float]:
    return {(("replica", audit.replica),): value}


def _backends(settings: Settings) -> list[Backend]:
    nim = ("/health/ready", "/models")
    qdrant_key = read_secret(settings.qdrant_reading_key_file)
    return [
        Backend(
            "llm",
            settings.llm_url,
            nim,
            bearer(settings.llm_api_key_file),
            confirm_model("llm", settings.llm_url, settings.llm_model),
        ),
        Backend(
            "embedding",
            settings.embedding_url,
            nim,
            bearer(settings.embedding_api_key_file),
            confirm_dimension(settings),
        ),
        Backend(
            "ranking",
            settings.ranking_url,
            nim,
            bearer(settings.ranking_api_key_file),
            confirm_model("ranking", settings.ranking_url, settings.ranking_model),
        ),
        Backend(
            "qdrant",
            settings.qdrant_url,
            (f"/collections/{settings.collection}/exists",),
            {"api-key": qdrant_key} if qdrant_key else {},
        ),
    ]
