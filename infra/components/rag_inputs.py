"""What the app is given: its arguments, and what they are to it as environment and key files."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from infra.components.outward import FILE, FOLDER
from infra.components.pod import Resources
from infra.components.quota import mebibytes
from infra.components.scope import Scope
from infra.components.site import SITE
from infra.models.endpoint import ModelEndpoint
from infra.schema import AccessSettings, AppSettings, ServiceType

PORT = 1416
DATA, KEYS, TLS = "/data", "/etc/rag", "/etc/rag-tls"
CLIENT_SECRET, BACKUP_KEYS = "oidc-client-secret", "backup-keys"
BACKUP_KEY_BYTES = 32
# Each node must have heard that a pod is to go before it stops taking requests.
LEAVE_SECONDS, DRAIN_SECONDS, STOP_SECONDS = 8, 60, 22
# The app takes up to 1 GiB, and two files are read at once, each by a process of up to 1280 MiB:
# over the limit the kernel would end all of them, again and again by the same two uploads.
RESOURCES = Resources(cpu="100m", memory="512Mi", memory_limit="3584Mi")


@dataclass(frozen=True, kw_only=True)
class RagAppArgs:
    scope: Scope
    image: pulumi.Input[str]
    settings: AppSettings
    access: AccessSettings
    models: dict[str, ModelEndpoint]
    qdrant_url: str
    qdrant_api_key: pulumi.Output[str]
    qdrant_read_api_key: pulumi.Output[str]
    shards: int  # of a new collection
    copies: int  # of each shard
    api_keys: pulumi.Output[str]  # separated by commas or lines
    expose: ServiceType
    node_port: int | None
    load_balancer: Mapping[str, str]  # annotations of a Service of that type
    certificate: pulumi.Output[str] | None = None  # the Secret, where the app itself ends TLS
    url: str | None = None  # that callers use, where it is known before there is a Service
    client_secret: pulumi.Output[str] | None = None  # at the identity provider
    backup_keys: pulumi.Output[str] | None = None
    velero: bool = False  # it takes the app's volume


def environment(args: RagAppArgs) -> dict[str, str]:
    """Return the app's environment: plain values and the paths of key files."""
    result = {
        "RAG_HOST": "0.0.0.0",
        "RAG_PORT": str(PORT),
        "RAG_DATA_DIR": DATA,
        "RAG_LEAVE_SECONDS": str(LEAVE_SECONDS),
        "RAG_SHUTDOWN_SECONDS": str(DRAIN_SECONDS),
        "RAG_MEMORY_MB": str(mebibytes(RESOURCES.memory_limit)),
        "RAG_MAX_UPLOAD_MB": str(args.settings.max_upload_mb),
        "RAG_ENGINE": args.settings.engine,
        "RAG_API_KEYS_FILE": f"{KEYS}/api-keys",
        "RAG_QDRANT_URL": args.qdrant_url,
        "RAG_QDRANT_API_KEY_FILE": f"{KEYS}/qdrant-api-key",
        "RAG_QDRANT_READ_API_KEY_FILE": f"{KEYS}/qdrant-read-api-key",
        "RAG_QDRANT_SHARDS": str(args.shards),
        "RAG_QDRANT_COPIES": str(args.copies),
    }
    if args.scope.outward.ca is not None:
        # besides the public ones, where SSL_CERT_FILE would be in their place
        result["RAG_CA_FILE"] = f"{FOLDER}/{FILE}"
    if args.settings.traces is not None:
        result["RAG_TRACES_URL"] = args.settings.traces
    if args.settings.site is not None:
        result["RAG_SITE_DIR"] = SITE
    if args.backup_keys is not None:
        result["RAG_BACKUP_KEYS_FILE"] = f"{KEYS}/{BACKUP_KEYS}"
    if args.settings.ocr_languages is not None:
        result["RAG_OCR"] = "tesseract"
        result["RAG_OCR_LANGUAGES"] = args.settings.ocr_languages
    if args.certificate is not None:
        result["RAG_TLS_CERTIFICATE_FILE"] = f"{TLS}/tls.crt"
        result["RAG_TLS_KEY_FILE"] = f"{TLS}/tls.key"
    if args.settings.trusted_proxies:
        result["RAG_TRUSTED_PROXIES"] = json.dumps(args.settings.trusted_proxies)
    result |= _access(args.access)
    result |= _login(args)
    for role, endpoint in args.models.items():
        prefix = f"RAG_{role.upper()}"
        result[f"{prefix}_URL"] = endpoint.url
        if endpoint.model is not None:
            result[f"{prefix}_MODEL"] = endpoint.model
        if endpoint.dimension is not None:
            result[f"{prefix}_DIMENSION"] = str(endpoint.dimension)
        if endpoint.api_key is not None:
            result[f"{prefix}_API_KEY_FILE"] = f"{KEYS}/{role}-api-key"
    return result


def _access(access: AccessSettings) -> dict[str, str]:
    result = {
        "RAG_DEFAULT_READERS": access.default_readers,
        "RAG_INJECTIONS": access.injections,
        "RAG_AUDIT_QUESTIONS": str(access.audit_questions).lower(),
    }
    if access.caller_rate is not None:
        result["RAG_CALLER_RATE"] = access.caller_rate
    if access.retention_days is not None:
        result["RAG_RETENTION_DAYS"] = str(access.retention_days)
    if (oidc := access.oidc) is not None:
        roles = {"admin": oidc.admins, "contributor": oidc.contributors, "reader": oidc.readers}
        result |= {
            "RAG_OIDC_ISSUER": oidc.issuer,
            "RAG_OIDC_AUDIENCE": json.dumps(oidc.audience),
            "RAG_OIDC_USER_CLAIM": oidc.user_claim,
            "RAG_OIDC_GROUPS_CLAIM": oidc.groups_claim,
            "RAG_OIDC_ROLES": json.dumps(roles),
            "RAG_OIDC_SKEW_SECONDS": str(oidc.skew_seconds),
        }
        if oidc.keys is not None:
            result["RAG_OIDC_KEYS_FILE"] = f"{KEYS}/oidc-keys.json"
    return result


def _login(args: RagAppArgs) -> dict[str, str]:
    oidc = args.access.oidc
    if oidc is None or oidc.login is None or args.url is None:
        return {}
    result = {
        "RAG_PUBLIC_URL": args.url,
        "RAG_OIDC_CLIENT_ID": oidc.login.client_id,
        "RAG_OIDC_SCOPES": json.dumps(oidc.login.scopes),
    }
    if args.client_secret is not None:
        result["RAG_OIDC_CLIENT_SECRET_FILE"] = f"{KEYS}/{CLIENT_SECRET}"
    if oidc.login.session_minutes is not None:
        result["RAG_OIDC_SESSION_MINUTES"] = str(oidc.login.session_minutes)
    return result


def key_files(args: RagAppArgs) -> dict[str, pulumi.Output[str]]:
    """Return the files of the app's Secret, by name."""
    models = {
        f"{role}-api-key": endpoint.api_key
        for role, endpoint in args.models.items()
        if endpoint.api_key is not None
    }
    return {
        "api-keys": args.api_keys.apply(lambda given: "\n".join(keys_in(given)) + "\n"),
        "qdrant-api-key": args.qdrant_api_key,
        "qdrant-read-api-key": args.qdrant_read_api_key,
        **models,
        **_provider_keys(args.access),
        **({CLIENT_SECRET: args.client_secret} if args.client_secret is not None else {}),
        **(
            {BACKUP_KEYS: args.backup_keys.apply(sealing_keys)}
            if args.backup_keys is not None
            else {}
        ),
    }


def _provider_keys(access: AccessSettings) -> dict[str, pulumi.Output[str]]:
    if access.oidc is None or access.oidc.keys is None:
        return {}
    return {"oidc-keys.json": pulumi.Output.from_input(access.oidc.keys)}


def sealing_keys(given: str) -> str:
    """Return the keys of backups, one a line; raises pulumi.RunError where one is none."""
    keys = keys_in(given)
    for number, key in enumerate(keys, start=1):
        try:
            size = len(base64.b64decode(key, validate=True))
        except binascii.Error:
            size = 0
        if size != BACKUP_KEY_BYTES:
            message = (
                f"stackyard:backupKeys: key {number} is not {BACKUP_KEY_BYTES} bytes in base64\n"
                "hint: openssl rand -base64 32 | pulumi config set --secret stackyard:backupKeys"
            )
            raise pulumi.RunError(message)
    return "\n".join(keys) + "\n"


def keys_in(given: str) -> list[str]:
    """Return the single keys of a setting that separates them by commas or white space."""
    return given.replace(",", " ").split()
