"""bundle.json: what a bundle holds, under one signature."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stackyard.bundle.lock import Item
from stackyard.errors import Trouble

NAME, SIGNATURE, PUBLIC_KEY = "bundle.json", "bundle.json.sig", "cosign.pub"
RECORD_SIGNATURE = "record.sig"  # over what the registry is told of the bundle


class File(BaseModel):
    """A file's size in bytes and its digest."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int = Field(ge=0)
    digest: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")


class Manifest(BaseModel):
    """The content of bundle.json; `serial` grows with each bundle of a stack."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    stack: str
    serial: int  # seconds since 1970 when it was made
    made: str
    platform: str
    python: str
    items: tuple[Item, ...]
    left_out: tuple[str, ...] = ()  # kind:name of items that are not in here on purpose
    absent: tuple[str, ...] = ()  # blobs that the site has from an earlier bundle
    signatures: dict[str, str] = {}  # image's digest -> digest of its signature's manifest
    files: dict[str, File]


def read_manifest(content: bytes, path: Path) -> Manifest:
    """Return the content of a bundle.json. Raises Trouble where it cannot be used."""
    try:
        return Manifest.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "its text"
        message = f"{path} is no bundle's manifest of this version: {where}: {first['msg']}"
        raise Trouble(message, "load it with the stackyard.py beside it") from None
