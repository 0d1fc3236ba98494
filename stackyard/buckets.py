"""Documents in S3 and what speaks like it: listed, then fetched one at a time."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from stackyard.errors import Trouble
from stackyard.files import Found

SCHEME = "s3://"
INSTALL = "make s3-packages"
CHUNK = 2**20
Client = Any  # botocore makes its clients' methods at run time


@dataclass(frozen=True, kw_only=True)
class Stored(Found):
    """An object; it is on this machine only while it is sent."""

    client: Client
    bucket: str
    key: str
    bytes: int

    def size(self) -> int:
        return self.bytes

    @contextmanager
    def local(self) -> Iterator[Path]:
        """Fetch it into a file that is gone afterwards. Raises OSError."""
        with tempfile.NamedTemporaryFile(prefix="stackyard-") as file:
            try:
                body = self.client.get_object(Bucket=self.bucket, Key=self.key)["Body"]
                for part in body.iter_chunks(CHUNK):
                    file.write(part)
            except OSError:
                raise
            except Exception as error:  # botocore's errors share no public base class
                raise OSError(0, f"it cannot be fetched: {_said(error)}") from error
            file.flush()
            yield Path(file.name)

    def __str__(self) -> str:
        return f"{SCHEME}{self.bucket}/{self.key}"


def is_address(text: str) -> bool:
    return text.startswith(SCHEME)


def listed(address: str) -> list[Stored]:
    """Return every object below an address s3://BUCKET[/PREFIX]. Raises Trouble."""
    bucket, _, prefix = address.removeprefix(SCHEME).partition("/")
    if not bucket:
        message = f"{address!r} names no bucket"
        raise Trouble(message, "s3://BUCKET, or s3://BUCKET/PREFIX")
    client = _client()
    found = []
    try:
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for each in page.get("Contents", []):
                key, size = each["Key"], each["Size"]
                name = PurePosixPath(key).name
                if not key.endswith("/") and _below(key, prefix):
                    found.append(
                        Stored(
                            path=Path(key),
                            name=name,
                            client=client,
                            bucket=bucket,
                            key=key,
                            bytes=size,
                        )
                    )
    except Exception as error:  # botocore's errors share no public base class
        message = f"{address} cannot be listed: {_said(error)}"
        hint = "AWS_PROFILE, AWS_REGION and AWS_ENDPOINT_URL_S3 say who asks whom"
        raise Trouble(message, hint) from None
    return found


def _client() -> Client:
    try:
        import botocore.session  # type: ignore[import-untyped]  # here: few need it
        from botocore.config import Config  # type: ignore[import-untyped]
    except ImportError:
        message = "botocore, which speaks to S3, is not installed"
        raise Trouble(message, INSTALL) from None
    session = botocore.session.get_session()
    # Paths work everywhere; names of buckets as hosts do not resolve at most sites of their own.
    config = Config(s3={"addressing_style": "path"}, retries={"mode": "standard"})
    region = session.get_config_variable("region") or "us-east-1"
    return session.create_client("s3", region_name=region, config=config)


def _below(key: str, prefix: str) -> bool:
    """Let s3://b/books mean the folder and not s3://b/bookshop too, nor hidden files."""
    folder = not prefix or prefix.endswith("/") or key in (prefix,) or key[len(prefix)] == "/"
    inside = PurePosixPath(key[len(prefix) :]).parts
    return folder and not any(part.startswith(".") for part in inside)


def _said(error: Exception) -> str:
    """Return what S3 said, without addresses that carry a signature."""
    answer = getattr(error, "response", {}).get("Error", {})
    if answer.get("Code"):
        return f"{answer['Code']} {answer.get('Message', '')}".strip()
    return f"{type(error).__name__}: {str(error).partition('?')[0]}"
