"""Secrets from mounted files."""

from pathlib import Path

from haystack.utils import Secret


def read_secret(path: Path | None) -> str | None:
    """Return the bare secret of a file, or None where no file is named."""
    return path.read_text(encoding="utf-8").strip() if path is not None else None


def bearer(path: Path | None) -> dict[str, str]:
    secret = read_secret(path)
    return {"Authorization": f"Bearer {secret}"} if secret else {}


def haystack_secret(path: Path | None) -> Secret | None:
    secret = read_secret(path)
    return Secret.from_token(secret) if secret else None
