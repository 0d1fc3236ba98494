"""The only reader of the environment: RAG_ variables in, frozen settings out."""

import difflib
import os
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.authorities import bundle
from app.provider_settings import ProviderSettings
from app.setting_types import BackupKeys, File, Folder, ModelUrl, Ranges, Rate, TracesUrl, Url
from pipelines.reading.limits import AT_ONCE

PREFIX = "RAG_"
OWN_MB = 1024  # of the app itself: what it holds in memory, and the bodies of its requests
WRAPPERS = Path(__file__).parent / "wrappers"
COLLECTION = r"[a-z0-9][a-z0-9_-]{0,62}"

# Read by Haystack and Hayhooks when they are imported, so they are set before that and win over
# whatever the environment or a stray .env says.
FRAMEWORK_ENVIRONMENT = {
    "HAYSTACK_TELEMETRY_ENABLED": "False",
    "HAYHOOKS_DURABLE_MODE": "true",  # the only switch that removes deploy and undeploy
    "HAYHOOKS_DURABLE_STORE": "memory",
    "HAYHOOKS_PIPELINES_DIR": str(WRAPPERS),
    "HAYHOOKS_STARTUP_DEPLOY_STRATEGY": "sequential",  # parallel imports of haystack race
    "HAYHOOKS_LOG_LEVEL": "CRITICAL",  # its INFO lines hold questions, its errors exception texts
    "LOG": "CRITICAL",
    "HAYHOOKS_SHOW_TRACEBACKS": "false",
    "HAYSTACK_CONTENT_TRACING_ENABLED": "false",
    "HAYHOOKS_TRACING_ENABLED": "false",
    "HAYHOOKS_TRACING_INCLUDE_HAYSTACK_SPANS": "false",
    "HAYHOOKS_TRACING_INCLUDE_PAYLOAD_VALUES": "false",
    "HAYHOOKS_MONITORING_ENABLED": "false",
    "HAYHOOKS_CHAINLIT_ENABLED": "false",
    "HAYHOOKS_HOST": "0.0.0.0",  # on localhost it writes a dashboard token into the home directory
    "HAYHOOKS_ROOT_PATH": "",
    "HAYHOOKS_CORS_ALLOW_ORIGINS": "[]",
    "HAYHOOKS_ADDITIONAL_PYTHON_PATH": "",
}


class SettingsProblem(Exception):
    """The environment cannot be used; the text lists every problem."""


class Settings(ProviderSettings, BaseSettings):
    """What the app is told by its environment."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    qdrant_url: Url
    qdrant_api_key_file: File | None = None
    # what questions go with, where Qdrant has a key that only reads. Unset: the same
    qdrant_read_api_key_file: File | None = None
    # of a collection that is made from now on
    qdrant_shards: int = Field(default=1, ge=1)
    qdrant_copies: int = Field(default=1, ge=1)
    collection: str = Field(default="documents", pattern=f"^{COLLECTION}$")
    engine: Literal["fast", "stock"] = "fast"

    llm_url: ModelUrl
    llm_model: str = Field(min_length=1)
    llm_api_key_file: File | None = None
    embedding_url: ModelUrl
    embedding_model: str = Field(min_length=1)
    embedding_dimension: int = Field(gt=0, le=65536)
    embedding_api_key_file: File | None = None
    # The model to change to: its vectors are built beside, and answer when they are complete.
    next_embedding_url: ModelUrl | None = None
    next_embedding_model: str | None = Field(default=None, min_length=1)
    next_embedding_dimension: int | None = Field(default=None, gt=0, le=65536)
    next_embedding_api_key_file: File | None = None
    ranking_url: ModelUrl
    ranking_model: str = Field(min_length=1)
    ranking_api_key_file: File | None = None
    # authorities that vouch for what is called, besides the public ones
    ca_file: File | None = None

    api_keys_file: File | None = None
    # the first seals backups, all open them. Unset: backups are plain
    backup_keys_file: BackupKeys | None = None
    anonymous: bool = False
    default_readers: Literal["everyone", "owner"] = "everyone"
    caller_rate: Rate | None = None
    # what becomes of a document that speaks to a language model
    injections: Literal["report", "quarantine"] = "report"
    retention_days: int | None = Field(default=None, gt=0)
    tls_certificate_file: File | None = None
    tls_key_file: File | None = None
    # whose X-Forwarded-For and -Proto are believed: nobody's
    trusted_proxies: Ranges = []
    audit_questions: bool = False
    # an OpenTelemetry collector's, for OTLP over HTTP; it ends in /v1/traces
    traces_url: TracesUrl | None = None

    data_dir: Path = Path("/data")
    site_dir: Folder | None = None
    host: str = "127.0.0.1"
    port: int = Field(default=1416, ge=0, le=65535)
    metrics_port: int | None = Field(default=None, ge=0, le=65535)

    max_upload_mb: int = Field(default=100, gt=0)
    max_body_kb: int = Field(default=1024, gt=0)
    min_free_mb: int = Field(default=64, ge=0)
    max_concurrency: int = Field(default=128, gt=0)
    request_seconds: float = Field(default=120, gt=0)
    upload_seconds: float = Field(default=900, gt=0)
    conversion_seconds: float = Field(default=120, gt=0)
    # Twice this and what the app itself takes is what a pod of the stack may have.
    conversion_mb: int = Field(default=1280, ge=256)
    # What this process and those that read for it may have together; unset: what there is.
    memory_mb: int | None = Field(default=None, gt=0)
    max_document_pages: int = Field(default=5000, gt=0)
    max_document_characters: int = Field(default=50_000_000, gt=0)
    max_unpacked_mb: int = Field(default=512, gt=0)
    max_unpacked_ratio: int = Field(default=200, gt=1)
    max_archive_files: int = Field(default=2000, gt=0)
    max_archive_depth: int = Field(default=3, gt=0)
    # tesseract: a machine without it is refused, not worked on
    ocr: Literal["auto", "tesseract", "off"] = "auto"
    ocr_url: ModelUrl | None = None
    ocr_api_key_file: File | None = None
    ocr_languages: str = Field(default="eng", pattern=r"^[A-Za-z_]{3,20}([+][A-Za-z_]{3,20}){0,9}$")
    indexing_jobs: int = Field(default=4, gt=0, le=32)
    # On SIGTERM it goes on taking requests for so long, then ends those that run.
    leave_seconds: float = Field(default=0, ge=0, le=300)
    shutdown_seconds: int = Field(default=60, gt=0)

    @model_validator(mode="after")
    def _somebody_may_ask(self) -> Self:
        known = self.api_keys_file is not None or self.oidc_issuer is not None
        if not known and not self.anonymous:
            message = (
                "RAG_API_KEYS_FILE: is not set; it must name a file with one key per line, "
                "or RAG_ANONYMOUS must be true"
            )
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _certificate_has_its_key(self) -> Self:
        if (self.tls_certificate_file is None) != (self.tls_key_file is None):
            missing = "KEY" if self.tls_key_file is None else "CERTIFICATE"
            message = f"RAG_TLS_{missing}_FILE: is not set; a certificate and its key come together"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _readings_have_room(self) -> Self:
        needed = AT_ONCE * self.conversion_mb + OWN_MB
        if self.memory_mb is not None and needed > self.memory_mb:
            most = (self.memory_mb - OWN_MB) // AT_ONCE
            message = (
                f"RAG_CONVERSION_MB: is {self.conversion_mb}; {AT_ONCE} files are read at once,"
                f" and with {OWN_MB} MB for the app itself that is {needed} MB, more than"
                f" RAG_MEMORY_MB, {self.memory_mb}; it may be at most {most}"
                if most >= 256
                else f"RAG_MEMORY_MB: is {self.memory_mb}; it must be at least"
                f" {OWN_MB + AT_ONCE * 256} for the app and {AT_ONCE} files"
            )
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _the_next_model_is_whole(self) -> Self:
        given = {
            "RAG_NEXT_EMBEDDING_URL": self.next_embedding_url,
            "RAG_NEXT_EMBEDDING_MODEL": self.next_embedding_model,
            "RAG_NEXT_EMBEDDING_DIMENSION": self.next_embedding_dimension,
        }
        lacking = [name for name, value in given.items() if value is None]
        if 0 < len(lacking) < len(given):
            message = f"{lacking[0]}: is not set; it belongs to the others of the next model"
            raise ValueError(message)
        return self

    @property
    def qdrant_reading_key_file(self) -> Path | None:
        return self.qdrant_read_api_key_file or self.qdrant_api_key_file

    @property
    def max_upload_bytes(self) -> int:
        return self.max_upload_mb * 2**20

    @property
    def max_body_bytes(self) -> int:
        return self.max_body_kb * 2**10


def load_settings() -> Settings:
    """Return the settings, or raise one SettingsProblem that names every bad variable."""
    problems = [_unknown(name) for name in sorted(os.environ) if _is_unknown(name)]
    settings: Settings | None = None
    try:
        settings = Settings.model_validate({})
    except ValidationError as error:
        problems += [_explain(detail["loc"], detail["msg"]) for detail in error.errors()]
    if problems or settings is None:
        raise SettingsProblem(
            f"{len(problems)} problem(s) in the environment\n"
            + "\n".join(f"  {problem}" for problem in problems)
            + "\nhint: set the variables named above and start again"
        )
    return settings


def prepare_frameworks() -> None:
    """Set what Haystack and Hayhooks read at import; call it before importing either."""
    os.environ.update(FRAMEWORK_ENVIRONMENT)


def trust_authorities(settings: Settings) -> None:
    """Let every client of this process trust RAG_CA_FILE's authorities besides the public ones.

    OpenSSL and httpx look into the file that the first variable names, requests into the second's.
    """
    if settings.ca_file is None:
        return
    try:
        trusted = str(bundle(settings.ca_file))
    except ValueError:
        message = (
            f"RAG_CA_FILE is {str(settings.ca_file)!r}, which has no certificate in PEM form"
            "\nhint: give it one or more, each from -----BEGIN CERTIFICATE----- to its end"
        )
        raise SettingsProblem(message) from None
    os.environ.update(SSL_CERT_FILE=trusted, REQUESTS_CA_BUNDLE=trusted)


def _is_unknown(name: str) -> bool:
    return (
        name.startswith(PREFIX) and name.removeprefix(PREFIX).lower() not in Settings.model_fields
    )


def _unknown(name: str) -> str:
    known = [PREFIX + field.upper() for field in Settings.model_fields]
    nearest = difflib.get_close_matches(name, known, n=1)
    return f"{name}: is not a setting" + (f"; the nearest is {nearest[0]}" if nearest else "")


def _explain(location: tuple[int | str, ...], message: str) -> str:
    text = message.removeprefix("Value error, ")
    if not location:
        return text
    text = "is not set" if text == "Field required" else text
    return f"{PREFIX}{str(location[0]).upper()}: {text}"
