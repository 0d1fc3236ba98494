"""Fills a NIM-like model cache from a model store; a cut download goes on where it stopped."""

import errno
import http.client
import json
import os
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from http.client import HTTPResponse
from pathlib import Path

from local.models.catalog import WeightFile, files_of
from local.models.files import WeightsError, changed_files, digest_of
from local.models.settings import StoreSettings

BLOCK = 1024 * 1024
TIMEOUT_SECONDS = 60
ATTEMPTS = 3
REPORT_SECONDS = 1.0
HINT = "hint: run `python -m local.models download-to-cache` again: it goes on where it stopped"


def _print(line: str) -> None:
    print(line, flush=True)


def download_to_cache(
    settings: StoreSettings,
    files: tuple[WeightFile, ...] | None = None,
    report: Callable[[str], None] = _print,
) -> None:
    """Put every file of the roles into the cache, each only if it is not there already."""
    wanted = files_of(settings.roles) if files is None else files
    cache = settings.cache
    try:
        cache.mkdir(parents=True, exist_ok=True)
        needed = changed_files(cache, wanted)
        _check_offer(settings, [file for file in wanted if file.name in needed])
        for file in wanted:
            if file.name not in needed:
                report(f"{file.name}: already there, {_mib(file.size)}")
                continue
            _check_space(cache, file)
            _fetch(settings, file, report)
    except OSError as error:
        raise _explain(cache, error) from error
    total = sum(file.size for file in wanted)
    report(f"cache: {len(wanted)} files, {_mib(total)} in {cache}")


def _check_offer(settings: StoreSettings, files: list[WeightFile]) -> None:
    """Stop before the first byte if the store has other weights than this program runs."""
    if not files:
        return
    address = f"{settings.url}/manifest.json"
    with _open(settings, address, 0) as response:
        text = response.read()
    try:
        offered = {item["name"]: str(item["sha256"]) for item in json.loads(text)["files"]}
    except (ValueError, KeyError, TypeError) as error:
        message = f"{address} is not the manifest of a model store: {error!r}\n{_STORE_HINT}"
        raise WeightsError(message) from None
    for file in files:
        found = offered.get(file.name)
        if found is None:
            message = f"the store {settings.url} does not offer {file.name}\n{_STORE_HINT}"
            raise WeightsError(message)
        if found != file.sha256:
            message = (
                f"the store {settings.url} offers {file.name} with sha256 {found[:12]}, "
                f"and this program runs {file.sha256[:12]}\n{_STORE_HINT}"
            )
            raise WeightsError(message)


_STORE_HINT = "hint: LOCAL_MODELS_STORE_URL is the address of `python -m local.models model-store`"


def _fetch(settings: StoreSettings, file: WeightFile, report: Callable[[str], None]) -> None:
    """Download one file beside its place, check it, and move it there in one step."""
    part = settings.cache / f"{file.name}.part"
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _append(settings, file, part, report)
            break
        except (http.client.HTTPException, ConnectionError, TimeoutError) as error:
            done = part.stat().st_size if part.is_file() else 0
            cut = f"{file.name}: cut after {_mib(done)} of {_mib(file.size)} ({error})"
            if attempt == ATTEMPTS:
                message = f"{cut}, {ATTEMPTS} times\n{HINT}"
                raise WeightsError(message) from error
            report(f"{cut}, trying again")
            time.sleep(attempt * 0.2)
    if digest_of(part) != file.sha256:
        part.unlink()
        message = (
            f"{file.name} from {settings.url} is not what its manifest says: sha256 differs\n"
            "hint: the store or a proxy changed it; remove it there and try again"
        )
        raise WeightsError(message)
    part.replace(settings.cache / file.name)


def _append(
    settings: StoreSettings, file: WeightFile, part: Path, report: Callable[[str], None]
) -> None:
    """Read on from the end of the part until the file is whole."""
    done = part.stat().st_size if part.is_file() else 0
    if done > file.size:
        part.unlink()
        done = 0
    if done == file.size:
        return
    with _open(settings, f"{settings.url}/{file.name}", done) as response:
        if response.status != 206:
            done = 0
        with part.open("ab" if done else "wb") as out:
            last_report = 0.0
            while block := response.read(BLOCK):
                out.write(block)
                done += len(block)
                if time.monotonic() - last_report > REPORT_SECONDS or done == file.size:
                    last_report = time.monotonic()
                    share = 100 * done // file.size
                    report(f"{file.name}: {_mib(done)} of {_mib(file.size)}, {share} %")
            out.flush()
            os.fsync(out.fileno())
    if done < file.size:
        message = "connection closed early"
        raise ConnectionError(message)


def _open(settings: StoreSettings, address: str, start: int) -> HTTPResponse:
    """Open an address of the store, or say in words why it does not answer."""
    request = urllib.request.Request(address)
    if start:
        request.add_header("Range", f"bytes={start}-")
    if settings.key:
        # Not sent on to another host when the store redirects.
        request.add_unredirected_header("Authorization", f"Bearer {settings.key}")
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        with error:
            raise _refused(settings, address, error.code) from None
    except urllib.error.URLError as error:
        message = f"{address} cannot be reached: {error.reason}\n{_STORE_HINT}"
        raise WeightsError(message) from None
    if not isinstance(response, HTTPResponse):
        message = f"{address} did not answer with HTTP\n{_STORE_HINT}"
        raise WeightsError(message)
    return response


def _refused(settings: StoreSettings, address: str, status: int) -> WeightsError:
    reasons: Mapping[int, str] = {
        401: "hint: set NGC_API_KEY to a key of this store"
        if settings.key is None
        else "hint: the NGC_API_KEY that is set is not a key of this store",
        403: "hint: the key in NGC_API_KEY may not read this file",
        404: _STORE_HINT,
    }
    hint = reasons.get(status, HINT)
    return WeightsError(f"{address} answered {status}\n{hint}")


def _check_space(cache: Path, file: WeightFile) -> None:
    part = cache / f"{file.name}.part"
    missing = file.size - (part.stat().st_size if part.is_file() else 0)
    free = shutil.disk_usage(cache).free
    if free < missing:
        message = (
            f"{cache} has {_mib(free)} free and {file.name} needs {_mib(missing)} more\n"
            "hint: free some space, or set NIM_CACHE_PATH to a larger volume"
        )
        raise WeightsError(message)


def _explain(cache: Path, error: OSError) -> WeightsError:
    hint = (
        "hint: free some space, or set NIM_CACHE_PATH to a larger volume"
        if error.errno in (errno.ENOSPC, errno.EDQUOT)
        else "hint: NIM_CACHE_PATH must be a directory that this user may write to"
    )
    return WeightsError(f"{cache} cannot be filled: {error.strerror or error}\n{hint}")


def _mib(size: int) -> str:
    return f"{size / 1024 / 1024:.1f} MiB"
