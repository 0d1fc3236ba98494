"""What fills a volume with a model's files: whole and checked, or not at all."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from infra.images.importer import registry as client
from infra.images.importer.import_model import MARK, files_of, import_model
from infra.images.importer.registry import NotUsable

FILES = {"ngc/hub/m/config.json": b"{}", "ngc/hub/m/weights.bin": b"w" * 300_000, "top.txt": b"t"}
LOGIN = base64.b64encode(b"robot:secret").decode()


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class FakeRegistry(ThreadingHTTPServer):
    """A registry's answers to reads, with the faults that a test asks for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.blobs: dict[str, bytes] = {}
        self.manifest = b""
        self.asked: list[tuple[str, str | None]] = []
        self.cut_once_at: int | None = None
        self.unavailable = 0
        self.auth: str | None = None  # Basic or Bearer
        self.elsewhere: str | None = None  # a host that blobs are redirected to

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    def holds(self, files: dict[str, bytes]) -> str:
        """Hold an artefact and return its reference."""
        self.blobs |= {digest(content): content for content in files.values()}
        layers = [
            {"digest": digest(content), "annotations": {client_title(): path}}
            for path, content in files.items()
        ]
        self.manifest = json.dumps({"layers": layers}).encode()
        return f"{self.host}/rag/models/llm:1@{digest(self.manifest)}"


def client_title() -> str:
    return "org.opencontainers.image.title"


class Answers(BaseHTTPRequestHandler):
    server: FakeRegistry

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        registry = self.server
        registry.asked.append((self.path, self.headers.get("Range")))
        authorization = self.headers.get("Authorization")
        if self.path.startswith("/token"):
            known = authorization == f"Basic {LOGIN}"
            self.answer(200 if known else 401, b'{"token": "t"}' if known else b"")
            return
        wanted = {"Basic": f"Basic {LOGIN}", "Bearer": "Bearer t"}.get(registry.auth or "")
        if wanted is not None and authorization != wanted:
            realm = f'Bearer realm="http://{registry.host}/token",service="s",scope="pull"'
            told = 'Basic realm="site"' if registry.auth == "Basic" else realm
            self.answer(401, b"", {"WWW-Authenticate": told})
            return
        if registry.unavailable:
            registry.unavailable -= 1
            self.answer(503, b"")
            return
        if "/manifests/" in self.path:
            self.answer(200, registry.manifest)
            return
        if registry.elsewhere is not None:
            self.answer(307, b"", {"Location": f"http://{registry.elsewhere}{self.path}"})
            return
        self.blob(registry.blobs[self.path.rpartition("/")[2]])

    def blob(self, content: bytes) -> None:
        start = int((self.headers.get("Range") or "bytes=0-")[6:-1])
        if start and start >= len(content):
            self.answer(416, b"")
            return
        rest = content[start:]
        cut = self.server.cut_once_at
        if cut is not None and len(rest) > cut:
            self.server.cut_once_at = None
            self.answer(206 if start else 200, rest[:cut], length=len(rest))
            return
        self.answer(206 if start else 200, rest)

    def answer(
        self, code: int, body: bytes, headers: dict[str, str] | None = None, length: int = -1
    ) -> None:
        self.send_response(code)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length if length >= 0 else len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRegistry]:
    monkeypatch.setattr("infra.images.importer.registry.time.sleep", lambda _: None)
    with FakeRegistry() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    path = tmp_path / "cache"
    (path / "lost+found").mkdir(parents=True)  # of the file system, not ours
    return path


@pytest.fixture
def keys(tmp_path: Path, registry: FakeRegistry) -> Path:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"auths": {registry.host: {"auth": LOGIN}}}))
    return path


def there(cache: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(cache)): path.read_bytes()
        for path in cache.rglob("*")
        if path.is_file() and not str(path.relative_to(cache)).startswith(".import")
    }


def test_the_files_are_in_place_and_not_pulled_twice(registry: FakeRegistry, cache: Path) -> None:
    artefact = registry.holds(FILES)

    first = import_model(artefact, cache)
    asked = len(registry.asked)
    second = import_model(artefact, cache)

    assert first == f"3 files of {artefact} are in place"
    assert second == f"the files of {artefact} are there"
    assert there(cache) == FILES
    assert sorted(each.name for each in cache.iterdir()) == [MARK, "lost+found", "ngc", "top.txt"]
    assert len(registry.asked) == asked


def test_a_new_artefact_replaces_the_old_folders_whole(registry: FakeRegistry, cache: Path) -> None:
    import_model(registry.holds(FILES), cache)
    new = {"ngc/hub/m/config.json": b'{"new": 1}'}
    artefact = registry.holds(new)

    import_model(artefact, cache)

    assert there(cache) == {**new, "top.txt": b"t"}
    assert (cache / MARK).read_text() == artefact


def test_a_cut_file_is_gone_on_with(registry: FakeRegistry, cache: Path) -> None:
    artefact = registry.holds(FILES)
    registry.cut_once_at = 100_000

    import_model(artefact, cache)

    assert there(cache) == FILES
    assert "bytes=100000-" in [ranged for _, ranged in registry.asked]


def test_a_registry_that_stumbles_is_asked_again(registry: FakeRegistry, cache: Path) -> None:
    artefact = registry.holds({"a": b"a"})
    import_model(artefact, cache)
    registry.unavailable = 0
    other = registry.holds({"a": b"b"})

    class Once(client.Registry):
        def fetch(self, digest: str, target: Path) -> None:
            registry.unavailable = 2
            super().fetch(digest, target)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("infra.images.importer.import_model.Registry", Once)
        import_model(other, cache)

    assert there(cache) == {"a": b"b"}


@pytest.mark.parametrize("kind", ["Basic", "Bearer"])
def test_it_logs_in_by_the_secret_that_kubelet_pulls_by(
    registry: FakeRegistry, cache: Path, keys: Path, kind: str
) -> None:
    registry.auth = kind

    import_model(registry.holds(FILES), cache, keys)

    assert there(cache) == FILES


def test_the_login_does_not_follow_to_a_store_of_another_host(
    registry: FakeRegistry, cache: Path, keys: Path
) -> None:
    seen: list[str | None] = []

    class Store(Answers):
        def do_GET(self) -> None:
            seen.append(self.headers.get("Authorization"))
            self.blob(registry.blobs[self.path.rpartition("/")[2]])

    with ThreadingHTTPServer(("127.0.0.1", 0), Store) as store:
        store.cut_once_at = None  # type: ignore[attr-defined] # what Answers reads of its server
        thread = threading.Thread(target=store.serve_forever, args=(0.01,))
        thread.start()
        registry.auth, registry.elsewhere = "Basic", f"127.0.0.1:{store.server_address[1]}"
        import_model(registry.holds(FILES), cache, keys)
        store.shutdown()
        thread.join()

    assert there(cache) == FILES
    assert seen == [None] * len(FILES)


def test_a_wrong_or_missing_login_is_said(
    registry: FakeRegistry, cache: Path, tmp_path: Path
) -> None:
    artefact = registry.holds(FILES)
    registry.auth = "Basic"
    with pytest.raises(NotUsable, match="asks for a login, and the stack has none"):
        import_model(artefact, cache)

    wrong = tmp_path / "wrong.json"
    wrong.write_text(json.dumps({"auths": {registry.host: {"username": "a", "password": "b"}}}))
    with pytest.raises(NotUsable, match="answers 401 Unauthorized"):
        import_model(artefact, cache, wrong)
    assert there(cache) == {}


def test_a_flipped_byte_is_refused_and_the_old_files_stay(
    registry: FakeRegistry, cache: Path
) -> None:
    old = registry.holds(FILES)
    import_model(old, cache)
    new = registry.holds({"ngc/hub/m/weights.bin": b"n" * 1000})
    registry.blobs[digest(b"n" * 1000)] = b"n" * 999 + b"x"

    with pytest.raises(NotUsable, match=r"weights\.bin: is sha256:.* and should be sha256:"):
        import_model(new, cache)

    assert there(cache) == FILES
    assert (cache / MARK).read_text() == old
    # the wrong bytes are not gone on with
    registry.blobs[digest(b"n" * 1000)] = b"n" * 1000
    import_model(new, cache)
    assert there(cache)["ngc/hub/m/weights.bin"] == b"n" * 1000


def test_another_manifest_than_the_digest_says_is_refused(
    registry: FakeRegistry, cache: Path
) -> None:
    artefact = registry.holds(FILES)
    registry.manifest += b" "

    with pytest.raises(NotUsable, match="another manifest"):
        import_model(artefact, cache)


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x", "", MARK, ".importing/x"])
def test_a_path_out_of_the_volume_is_refused(path: str) -> None:
    layer = {"digest": "sha256:1", "annotations": {client_title(): path}}

    with pytest.raises(NotUsable, match="outside of the volume"):
        files_of(json.dumps({"layers": [layer]}))


@pytest.mark.parametrize("text", ["", "{}", '{"layers": []}', '{"layers": [{"digest": "d"}]}'])
def test_a_manifest_of_something_else_is_refused(text: str) -> None:
    with pytest.raises(NotUsable):
        files_of(text)


@pytest.mark.parametrize("text", ["host/path:1", "path", "host/path@sha256:1"])
def test_a_reference_without_a_digest_is_refused(text: str, cache: Path) -> None:
    with pytest.raises(NotUsable, match="is not HOST/PATH:TAG@sha256"):
        import_model(text, cache)
