"""What can be wrong with a bundle or with the registry: each says which file, and what to do."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from stackyard.bundle import signing
from stackyard.bundle.manifest import read_manifest
from tests.stackyard.bundle.conftest import Factory, Keys, Made, Make, image_item, noise
from tests.stackyard.bundle.doors import Answer, ProxyDouble, error_body
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
    "413": (
        "PATCH",
        (413, b"<html>413 Request Entity Too Large</html>"),
        ["answered 413", "client_max_body_size"],
    ),
    "quota": (
        "PUT",
        (403, error_body("DENIED", "adding 190 KiB would exceed the quota of 1 MiB")),
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

    with site, ProxyDouble(site.address, lambda m, _: answer if m == method else None) as door:
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
