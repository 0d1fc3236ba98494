"""Finds and checks the files of weights in a directory."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from local.models.catalog import WeightFile, files_of
from local.models.settings import Settings


class WeightsError(Exception):
    """The weights are not there or not what they should be; the message ends in a hint."""


def digest_of(path: Path) -> str:
    """Return a file's sha256."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def missing_files(directory: Path, files: Sequence[WeightFile]) -> list[str]:
    """Return the names of the files that are absent or of another size."""
    return [
        file.name
        for file in files
        if not (directory / file.name).is_file()
        or (directory / file.name).stat().st_size != file.size
    ]


def changed_files(directory: Path, files: Sequence[WeightFile]) -> list[str]:
    """Return the names of the files that do not hold the bytes of the catalog."""
    absent = missing_files(directory, files)
    return [
        file.name
        for file in files
        if file.name in absent or digest_of(directory / file.name) != file.sha256
    ]


def find_weights(settings: Settings) -> Path:
    """Return the first directory that holds the files of the served roles: cache, then image."""
    files = files_of(settings.roles)
    tried = []
    for directory in (settings.nim_cache, settings.weights):
        if directory is None:
            continue
        missing = missing_files(directory, files)
        if not missing:
            return directory
        tried.append(f"{directory} lacks {', '.join(missing)}")
    message = (
        f"no weights: {'; '.join(tried)}\n"
        "hint: fill a directory with `python -m local.models.weights DIR` and set "
        "LOCAL_MODELS_WEIGHTS, or fill NIM_CACHE_PATH with `python -m local.models "
        "download-to-cache`"
    )
    raise WeightsError(message)


def check_weights(directory: Path, files: Sequence[WeightFile]) -> None:
    """Stop if a file was changed or damaged since it was fetched."""
    changed = changed_files(directory, files)
    if changed:
        message = (
            f"damaged weights in {directory}: {', '.join(changed)} is not what was published\n"
            "hint: remove the file and fill the directory again"
        )
        raise WeightsError(message)
