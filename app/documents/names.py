"""Names from strangers: of files, of collections, and of those who may read."""

import re
import unicodedata
from pathlib import PurePosixPath

from app.problems import Problem, invalid
from app.settings import COLLECTION
from pipelines.convert import KINDS, SITE, kind_of

LONGEST = 200  # bytes; file systems take 255
MOST_READERS = 100
READER = re.compile(r"everyone|(user|group):[^\x00-\x1f\x7f,]{1,200}")


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


def check_collection(name: str) -> str:
    """Return the name of a collection if it can be one."""
    if not re.fullmatch(COLLECTION, name):
        msg = "collection may hold a-z, 0-9, - and _, at most 63, and begins with a letter or digit"
        raise invalid(msg)
    return name


def checked_readers(given: list[str] | None) -> list[str] | None:
    """Return a document's list of readers if it can be one."""
    if given is None:
        return None
    names = sorted({name.strip() for name in given} - {""})
    if len(names) > MOST_READERS or not all(READER.fullmatch(name) for name in names):
        msg = (
            f"readers holds at most {MOST_READERS} of: everyone, user:<name>, group:<name>;"
            " an empty list is for nobody but the owner and admins"
        )
        raise invalid(msg)
    return names
