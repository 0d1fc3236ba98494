"""Filling a NIM-like cache from a model store, and what can go wrong on the way."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from local.models.cache import download_to_cache
from local.models.catalog import WeightFile
from local.models.files import WeightsError
from local.models.refusals import json_response
from local.models.settings import StoreSettings
from local.models.store import store_app
from tests.local.models.fakes import listening

CONTENT = bytes(range(256)) * 4096 * 3
FILE = WeightFile(name="model.bin", size=len(CONTENT), sha256=hashlib.sha256(CONTENT).hexdigest())
# What shutil.disk_usage says of a volume with one MiB left.
FULL = SimpleNamespace(free=1024 * 1024)
MANIFEST = {"files": [{"name": FILE.name, "size": FILE.size, "sha256": FILE.sha256}]}


def settings(url: str, cache: Path, key: str | None = None) -> StoreSettings:
    return StoreSettings(url=url, cache=cache, key=key, roles=("llm",))


def fill(url: str, cache: Path, key: str | None = None) -> list[str]:
    lines: list[str] = []
    download_to_cache(settings(url, cache, key), (FILE,), lines.append)
    return lines


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    directory = tmp_path / "weights"
    directory.mkdir()
    (directory / FILE.name).write_bytes(CONTENT)
    return directory


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def store(weights: Path) -> Iterator[str]:
    with listening(store_app(weights, None, (FILE,))) as url:
        yield url


class CuttingStore:
    """Closes the connection in the middle, for the first `cuts` downloads."""

    def __init__(self, cuts: int) -> None:
        self.cuts = cuts
        self.ranges: list[str | None] = []

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/manifest.json", self.manifest), Route("/{n}", self.file)])

    async def manifest(self, request: Request) -> Response:
        return json_response(MANIFEST)

    async def file(self, request: Request) -> Response:
        asked = request.headers.get("range")
        self.ranges.append(asked)
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        rest = CONTENT[start:]
        if len(self.ranges) <= self.cuts:
            rest = rest[: len(rest) // 2]
        return Response(rest, 206 if asked else 200)


def test_the_cache_is_filled_with_progress_and_the_total(store: str, cache: Path) -> None:
    lines = fill(store, cache)

    assert (cache / FILE.name).read_bytes() == CONTENT
    assert "model.bin: 3.0 MiB of 3.0 MiB, 100 %" in lines
    assert lines[-1] == f"cache: 1 files, 3.0 MiB in {cache}"
    assert [path.name for path in cache.iterdir()] == [FILE.name]


def test_a_second_run_downloads_nothing(store: str, cache: Path) -> None:
    fill(store, cache)

    lines = fill("http://127.0.0.1:1", cache)

    assert lines[0] == "model.bin: already there, 3.0 MiB"


def test_a_damaged_file_in_the_cache_is_fetched_again(store: str, cache: Path) -> None:
    cache.mkdir()
    (cache / FILE.name).write_bytes(b"x" * FILE.size)

    fill(store, cache)

    assert (cache / FILE.name).read_bytes() == CONTENT


def test_a_cut_download_goes_on_where_it_stopped(cache: Path) -> None:
    store = CuttingStore(cuts=2)

    with listening(store.app()) as url:
        lines = fill(url, cache)

    size = FILE.size
    assert store.ranges == [None, f"bytes={size // 2}-", f"bytes={size // 2 + size // 4}-"]
    assert (cache / FILE.name).read_bytes() == CONTENT
    assert any("cut after 1.5 MiB of 3.0 MiB" in line for line in lines)


def test_a_store_that_always_cuts_ends_in_an_error_and_keeps_the_part(cache: Path) -> None:
    with (
        listening(CuttingStore(cuts=99).app()) as url,
        pytest.raises(WeightsError, match=r"cut after .* 3 times") as caught,
    ):
        fill(url, cache)

    assert "hint: " in str(caught.value)
    assert (cache / "model.bin.part").stat().st_size > FILE.size // 2
    assert not (cache / FILE.name).exists()


def test_the_key_opens_a_store_that_asks_for_one(weights: Path, cache: Path) -> None:
    with listening(store_app(weights, "sesame", (FILE,))) as url:
        fill(url, cache, key="sesame")

    assert (cache / FILE.name).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("key", "hint"),
    [(None, "set NGC_API_KEY to a key"), ("wrong", "NGC_API_KEY that is set is not a key")],
)
def test_a_refused_key_is_told_without_the_key(
    weights: Path, cache: Path, key: str | None, hint: str
) -> None:
    with (
        listening(store_app(weights, "sesame", (FILE,))) as url,
        pytest.raises(WeightsError, match="answered 401") as caught,
    ):
        fill(url, cache, key=key)

    assert hint in str(caught.value)
    assert "wrong" not in str(caught.value)


def test_an_address_that_is_no_store_is_told(store: str, cache: Path) -> None:
    with pytest.raises(WeightsError, match=r"no/manifest\.json answered 404"):
        fill(f"{store}/no", cache)


def test_a_store_that_cannot_be_reached_is_told(cache: Path) -> None:
    with pytest.raises(WeightsError, match="cannot be reached"):
        fill("http://127.0.0.1:1", cache)


def test_a_store_without_the_file_is_told(store: str, cache: Path) -> None:
    other = WeightFile(name="other.bin", size=1, sha256="0" * 64)

    with pytest.raises(WeightsError, match=r"does not offer other\.bin"):
        download_to_cache(settings(store, cache), (other,), print)


def test_a_store_with_another_version_is_refused_before_the_first_byte(
    store: str, cache: Path
) -> None:
    other = WeightFile(name=FILE.name, size=FILE.size, sha256="0" * 64)

    with pytest.raises(WeightsError, match="this program runs 000000000000"):
        download_to_cache(settings(store, cache), (other,), print)

    assert list(cache.iterdir()) == []


def test_changed_bytes_are_refused_and_removed(cache: Path) -> None:
    async def manifest(request: Request) -> Response:
        return json_response(MANIFEST)

    async def content(request: Request) -> Response:
        return Response(b"x" * FILE.size)

    app = Starlette(routes=[Route("/manifest.json", manifest), Route("/{n}", content)])

    with listening(app) as url, pytest.raises(WeightsError, match="sha256 differs"):
        fill(url, cache)

    assert list(cache.iterdir()) == []


def test_a_full_volume_is_told_before_the_download(
    store: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("local.models.cache.shutil.disk_usage", lambda path: FULL)

    with pytest.raises(WeightsError, match=r"has 1\.0 MiB free and model\.bin needs 3\.0 MiB"):
        fill(store, cache)


def test_a_cache_that_is_a_file_is_told(store: str, cache: Path) -> None:
    cache.write_text("")

    with pytest.raises(WeightsError, match="cannot be filled: File exists"):
        fill(store, cache)


def test_a_store_of_nothing_says_how_to_fill_it(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"hint: fill it with `python -m local\.models\.weights"):
        store_app(tmp_path, None)


def test_a_store_does_not_offer_damaged_weights(weights: Path) -> None:
    (weights / FILE.name).write_bytes(b"x" * FILE.size)

    with pytest.raises(WeightsError, match="damaged weights"):
        store_app(weights, None, (FILE,))
