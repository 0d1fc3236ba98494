"""What a variable of the app may hold, by type: each says what it was and what it may be."""

from ipaddress import ip_network
from pathlib import Path
from typing import Annotated

from limits import parse
from pydantic import AfterValidator

from app.backup.sealing import keys_in


def _rate(value: str) -> str:
    try:
        parse(value)
    except ValueError:
        message = f"is {value!r}; it must be a rate such as 60/minute"
        raise ValueError(message) from None
    return value


def _url(value: str) -> str:
    if not value.startswith(("http://", "https://")):
        message = f"is {value!r}; it must begin with http:// or https://"
        raise ValueError(message)
    return value.rstrip("/")


def _in_v1(value: str) -> str:
    if not value.endswith("/v1"):
        message = f"is {value!r}; it must end in /v1"
        raise ValueError(message)
    return value


def _of_traces(value: str) -> str:
    if not value.endswith("/v1/traces"):
        message = f"is {value!r}; it must end in /v1/traces"
        raise ValueError(message)
    return value


def _file(value: Path) -> Path:
    if not value.is_file():
        message = f"is {str(value)!r}, which is not a file"
        raise ValueError(message)
    return value


def _folder(value: Path) -> Path:
    if not value.is_dir():
        message = f"is {str(value)!r}, which is not a folder"
        raise ValueError(message)
    return value


def _with_keys(value: Path) -> Path:
    try:
        held = keys_in(value.read_text(encoding="utf-8"))
    except ValueError as error:
        message = f"is {str(value)!r}: {error}"
        raise ValueError(message) from None
    if not held:
        message = f"is {str(value)!r}, which holds no key"
        raise ValueError(message)
    return value


def _range(value: str) -> str:
    try:
        ip_network(value)
    except ValueError as error:
        message = f"has {value!r}: {error}"
        raise ValueError(message) from None
    return value


Rate = Annotated[str, AfterValidator(_rate)]
Url = Annotated[str, AfterValidator(_url)]
ModelUrl = Annotated[Url, AfterValidator(_in_v1)]
TracesUrl = Annotated[Url, AfterValidator(_of_traces)]
File = Annotated[Path, AfterValidator(_file)]
Folder = Annotated[Path, AfterValidator(_folder)]
BackupKeys = Annotated[File, AfterValidator(_with_keys)]
Ranges = list[Annotated[str, AfterValidator(_range)]]
