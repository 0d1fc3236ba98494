"""File names from strangers: the last part, readable characters, a length that fits."""

import re
import unicodedata
from pathlib import PurePosixPath

from app.problems import Problem
from pipelines.convert import KINDS, SITE, kind_of

LONGEST = 200  # bytes; file systems take 255


def clean_name(raw: str) -> str:
    """Return a name that is safe to store, log and show, or raise a Problem."""
    last = re.split(r"[/\\]", raw)[-1]
    normal = unicodedata.normalize("NFC", last)
    kept = "".join(char for char in normal if unicodedata.category(char)[0] != "C")
    name = re.sub(r"\s+", " ", kept).strip(" .")
    suffix = PurePosixPath(name).suffix
    stem = name.removesuffix(suffix)
    room = LONGEST - len(suffix.encode())
    stem = stem.encode()[: max(room, 0)].decode(errors="ignore")
    if not stem:
        raise Problem(422, "invalid-file-name", "The file has no name", "Send it with a file name")
    return stem + suffix


def check_type(name: str) -> None:
    """Raise a Problem for a type that cannot be read."""
    if kind_of(name) is None:
        suffix = PurePosixPath(name).suffix.lower()
        raise Problem(
            415,
            "unsupported-type",
            "This type of file cannot be read",
            f"{name!r} ends in {suffix or 'nothing'!r}; readable are {', '.join((*SITE, *KINDS))}",
        )
