"""What can be wrong with a bundle or with the registry: each says which file, and what to do."""

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from stackyard.bundle import load, signing, transport
from stackyard.bundle.layout import Layout, digest_of
from stackyard.bundle.lock import write_lock
from stackyard.bundle.manifest import read_manifest
from stackyard.bundle.record import record_claim
from tests.stackyard.bundle.conftest import (
    Factory,
    Keys,
    Made,
    Make,
    image_item,
    lock_of,
    noise,
)
from tests.stackyard.bundle.doors import Answer, ProxyDouble, content_trust, error_body
from tests.stackyard.bundle.real_registry import RealRegistry
from tests.stackyard.conftest import Invoke

pytestmark = pytest.mark.integration
LAYER = noise(200_000, 11)


@pytest.fixture
def bundle(factory: Factory, make: Make) -> Made:
    reference = factory.publish(factory.image([LAYER], docker=True), "vendor/bad:1")
    return make(image_item("bad", reference))


@pytest.fixture
def site(tmp_path: Path) -> RealRegistry:
    return RealRegistry(tmp_path / "site")


def largest(folder: Path) -> Path:
    return max((folder / "oci/blobs/sha256").iterdir(), key=lambda f: f.stat().st_size)


def cut(folder: Path) -> None:
    file = largest(folder)
    file.write_bytes(file.read_bytes()[:-1])


def flip(folder: Path) -> None:
    file = largest(folder)
    content = bytearray(file.read_bytes())
    content[1234] ^= 1
    file.write_bytes(content)


def lose(folder: Path) -> None:
    largest(folder).unlink()


def unsign(folder: Path) -> None:
    (folder / "bundle.json.sig").unlink()


def halve(folder: Path) -> None:
    (folder / "bundle.json").unlink()


def swap(folder: Path) -> None:
    signature = (folder / "bundle.json.sig").read_text()
    (folder / "record.sig").write_text(signature)


def edit(folder: Path) -> None:
    text = (folder / "bundle.json").read_text()
    (folder / "bundle.json").write_text(text.replace("vendor/bad", "vendor/worse"))


# what is done to the folder -> what the message says
SPOILT: dict[str, tuple[Callable[[Path], None], list[str]]] = {
    "cut": (cut, ["oci/blobs/sha256/", "is cut off: 199999 of 200000 bytes", "copy it again"]),
    "flipped": (flip, ["oci/blobs/sha256/", "is damaged", "copy it again"]),
    "missing": (lose, ["oci/blobs/sha256/", "is missing", "copy it again"]),
    "unsigned": (unsign, ["bundle.json is not signed", "make it again with --key"]),
    "half made": (halve, ["a half made one: it has no bundle.json", "stackyard bundle create"]),
    "record": (swap, ["record.sig is not the signature of this bundle's record", "copy it again"]),
    "edited": (edit, ["bundle.json.sig is not the signature of bundle.json", "was changed"]),
}


@pytest.mark.parametrize("case", SPOILT)
def test_a_spoilt_bundle_names_the_file_and_pushes_nothing(
    bundle: Made, site: RealRegistry, keys: Keys, invoke: Invoke, case: str
) -> None:
    spoil, said = SPOILT[case]
    spoil(bundle.folder)

    with site:
        done = invoke(
            "bundle", "load", bundle.folder, "--registry", site.address, "--key", keys.public
        )

    assert done.exit_code == 1
    assert all(part in done.output for part in said), done.output
    assert site.blobs() == set()


def test_another_key_is_refused(
    tmp_path: Path, bundle: Made, site: RealRegistry, invoke: Invoke
) -> None:
    _, other = signing.make_key_pair(tmp_path / "other", None)

    with site:
        done = invoke("bundle", "load", bundle.folder, "--registry", site.address, "--key", other)

    assert done.exit_code == 1
    assert "is not the signature of bundle.json by the key given" in done.output
    assert site.blobs() == set()


def test_an_older_bundle_is_refused_until_it_is_asked_for(
    tmp_path: Path, bundle: Made, site: RealRegistry, keys: Keys, invoke: Invoke
) -> None:
    older = tmp_path / "older"
    shutil.copytree(bundle.folder, older)
    manifest = read_manifest((older / "bundle.json").read_bytes(), older)
    earlier = manifest.model_copy(update={"serial": manifest.serial - 60, "made": "yesterday"})
    (older / "bundle.json").write_text(earlier.model_dump_json())
    key = signing.read_private_key(keys.private, None)
    content = (older / "bundle.json").read_bytes()
    (older / "bundle.json.sig").write_text(signing.sign(key, content))
    (older / "record.sig").write_text(signing.sign(key, record_claim(content)))
    to = ["--registry", site.address, "--key", keys.public]

    with site:
        newer = invoke("bundle", "load", bundle.folder, *to)
        refused = invoke("bundle", "load", older, *to)
        asked = invoke("bundle", "load", older, *to, "--older")

    assert newer.exit_code == 0, newer.output
    assert refused.exit_code == 1
    assert "this one is of yesterday: older" in refused.output
    assert "--older" in refused.output
    assert asked.exit_code == 0, asked.output


# which request -> the answer, and what the message says
REFUSALS: dict[str, tuple[str, Answer, list[str]]] = {
    "401": (
        "POST",
        (401, error_body("UNAUTHORIZED", "authentication required")),
        ["pushing vendor/bad:1", "answered 401", "check --username and --password-file"],
    ),
    "403": (
        "POST",
        (403, error_body("DENIED", "requested access to the resource is denied")),
        ["answered 403", "make the project if there is none"],
    ),
    # the next three in Harbor's words: src/server/middleware/v2auth, src/pkg/quota of its source
    "project": (
        "GET",
        (401, error_body("UNAUTHORIZED", "project rag not found: project rag not found")),
        ["answered 401", "it has no such project", "make the project first"],
    ),
    "right": (
        "POST",
        (401, error_body("UNAUTHORIZED", "unauthorized to access repository: r, action: push")),
        ["answered 401", "forbids it to this user", "push and pull on the project"],
    ),
    "413": (
        "PATCH",
        (413, b"<html>413 Request Entity Too Large</html>"),
        ["answered 413", "client_max_body_size"],
    ),
    "quota": (
        "PUT",
        (
            403,
            error_body(
                "DENIED",
                "adding 190 KiB of storage resource, which when updated to current usage of "
                "900 KiB will exceed the configured upper limit of 1 MiB.",
            ),
        ),
        ["has no quota left", "raise the project's quota"],
    ),
    "500": (
        "PUT",
        (500, error_body("UNKNOWN", "write: no space left on device")),
        ["answered 500", "run the same command again"],
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_registry_that_refuses_is_told_in_its_words_and_references_nothing(
    bundle: Made, site: RealRegistry, keys: Keys, invoke: Invoke, case: str
) -> None:
    method, answer, said = REFUSALS[case]

    with (
        site,
        ProxyDouble(
            site.address, lambda m, p: answer if m == method and p != "/v2/" else None
        ) as door,
    ):
        done = invoke(
            "bundle", "load", bundle.folder, "--registry", door.address, "--key", keys.public
        )
        manifests = [name for name in site.content() if "_manifests" in name]
        again = invoke(
            "bundle", "load", bundle.folder, "--registry", site.address, "--key", keys.public
        )

    assert done.exit_code == 1
    assert all(part in done.output for part in said), done.output
    assert manifests == []
    assert again.exit_code == 0, again.output


def test_a_full_disk_is_found_before_anything_is_fetched(
    factory: Factory, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = factory.publish(factory.image([LAYER]), "vendor/full:1")
    free = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("stackyard.bundle.create.shutil.disk_usage", lambda _folder: free)

    with pytest.raises(AssertionError, match=r"GB free.*\n.*-o DIR on another disk"):
        make(image_item("full", reference))


def test_an_image_that_is_gone_from_its_registry_is_named(
    tmp_path: Path, outside: RealRegistry, keys: Keys, invoke: Invoke
) -> None:
    digest = "sha256:" + "0" * 64
    gone = image_item("gone", f"{outside.address}/vendor/gone:1", digest=digest, size=1)
    write_lock(tmp_path / "lock", lock_of(gone))

    done = invoke(
        *("bundle", "create", "-o", tmp_path / "made", "--lock", tmp_path / "lock"),
        *("--key", keys.private),
    )

    assert done.exit_code == 1
    assert f"{outside.address}/vendor/gone@{digest} is not there any more" in done.output
    assert "stackyard bundle lock finds what is there now" in done.output
    assert not (tmp_path / "made/bundle.json").exists()


def test_a_disk_that_fills_up_is_named_and_the_same_command_goes_on(
    tmp_path: Path, factory: Factory, make: Make, keys: Keys, invoke: Invoke
) -> None:
    """/dev/full stands in the place of a file on a disk that has no space left."""
    bundle = make(image_item("full", factory.publish(factory.image([LAYER]), "vendor/filling:1")))
    layer = Layout(bundle.folder / "oci").path(digest_of(LAYER))
    layer.unlink()
    layer.with_name(f"{layer.name}.partial").symlink_to("/dev/full")
    again = ["bundle", "create", "-o", bundle.folder, "--lock", bundle.lock, "--no-sbom"]

    full = invoke(*again, "--key", keys.private)
    half = invoke("bundle", "verify", bundle.folder, "--key", keys.public)
    layer.with_name(f"{layer.name}.partial").unlink()
    done = invoke(*again, "--key", keys.private)

    assert full.exit_code == 1
    assert f"{bundle.folder}: the disk is full" in full.output
    assert "free space there and run the same command again" in full.output
    assert "a half made one" in half.output
    assert done.exit_code == 0, done.output
    assert layer.read_bytes() == LAYER


def test_a_registry_that_never_answers_an_upload_is_given_up_and_named(
    bundle: Made, site: RealRegistry, keys: Keys, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "PATIENCE", 1.0)
    monkeypatch.setattr(transport, "SLOWEST", 10**9)
    ended = threading.Event()

    def hang(method: str, _path: str) -> Answer | None:
        if method == "POST":
            ended.wait(30)
        return None

    with site, ProxyDouble(site.address, hang) as door:
        to = ["--registry", door.address, "--key", keys.public]
        done = invoke("bundle", "load", bundle.folder, *to)
        ended.set()

    assert done.exit_code == 1
    assert f"pushing vendor/bad:1: {door.address} has not taken it in 1 s" in done.output
    assert "the same command again goes on" in done.output


def test_a_registry_that_wants_signatures_names_what_a_bundle_without_them_lacks(
    bundle: Made, site: RealRegistry, keys: Keys, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one is whose bundle.json was signed by `cosign sign-blob` elsewhere."""
    monkeypatch.setattr(load, "SEE_SIGNATURE_SECONDS", 0.0)
    manifest = read_manifest((bundle.folder / "bundle.json").read_bytes(), bundle.folder)
    bare = manifest.model_copy(update={"signatures": {}}).model_dump_json()
    (bundle.folder / "bundle.json").write_text(bare)
    (bundle.folder / "record.sig").unlink()
    key = signing.read_private_key(keys.private, None)
    (bundle.folder / "bundle.json.sig").write_text(signing.sign(key, bare.encode()))

    with site, ProxyDouble(site.address, content_trust(site)) as harbor:
        to = ["--registry", harbor.address, "--key", keys.public]
        done = invoke("bundle", "load", bundle.folder, *to)

    assert done.exit_code == 1
    assert "answered 412, it wants a signature first" in done.output
    assert "make the bundle with --key" in done.output
    assert not any("stackyard/bundle" in name for name in site.content()), "no record of it"
