"""What else is in a bundle: lists of software, model files, images of ours, other tools' papers."""

import io
import json
import tarfile
from pathlib import Path

import pytest
import yaml

from infra.registry import Registry as Place
from stackyard.bundle.building import build, registry_to
from stackyard.bundle.layout import TITLE, Layout, blobs_of
from stackyard.bundle.lock import Item, read_lock, write_lock
from stackyard.bundle.resolve import Sources, built_tags, resolve
from tests.stackyard.bundle.conftest import Factory, Keys, Make, image_item, lock_of, noise
from tests.stackyard.bundle.real_registry import RealRegistry
from tests.stackyard.conftest import Invoke

pytestmark = pytest.mark.integration
STATUS = """Package: hello
Status: install ok installed
Version: 2.10-3
Architecture: amd64
Maintainer: nobody
Description: a greeting

"""
DIGEST = "sha256:" + "d" * 64


def debian_layer() -> bytes:
    out = io.BytesIO()
    files = {
        "var/lib/dpkg/status": STATUS,
        "etc/os-release": 'ID=debian\nVERSION_ID="12"\n',
    }
    with tarfile.open(fileobj=out, mode="w:gz") as layer:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            layer.addfile(member, io.BytesIO(text.encode()))
    return out.getvalue()


def test_the_software_of_an_image_is_listed_by_syft(
    tmp_path: Path, factory: Factory, make: Make, keys: Keys, invoke: Invoke
) -> None:
    reference = factory.publish(factory.image([debian_layer()], docker=True), "vendor/deb:1")
    bundle = make(image_item("deb", reference))

    done = invoke(
        *("bundle", "create", "-o", bundle.folder, "--lock", bundle.lock, "--key", keys.private)
    )

    assert done.exit_code == 0, done.output
    (listed,) = (bundle.folder / "sbom").iterdir()
    read = json.loads(listed.read_text())
    assert read["spdxVersion"].startswith("SPDX-2")
    assert "hello" in {package["name"] for package in read["packages"]}


def model() -> Item:
    told = {"kind": "model", "name": "llm", "reference": "nvcr.io/nim/llm:2#vllm-bf16"}
    return Item.model_validate({**told, "platform": "any", "source": "settings"})


def test_model_files_travel_as_an_artefact_that_names_each_file(
    tmp_path: Path, keys: Keys, invoke: Invoke
) -> None:
    files = {"config.json": b"{}", "weights/part-1": noise(100_000, 30)}
    for name, content in files.items():
        (tmp_path / "models/llm" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "models/llm" / name).write_bytes(content)
    sources = Sources(models=tmp_path / "models")
    found, problems = resolve(lock_of(model()), sources, lambda _told: None)
    assert problems == []
    write_lock(tmp_path / "lock", found)
    made = invoke(
        *("bundle", "create", "-o", tmp_path / "bundle", "--lock", tmp_path / "lock"),
        *("--key", keys.private, "--models", tmp_path / "models"),
    )
    assert made.exit_code == 0, made.output

    with RealRegistry(tmp_path / "site") as site:
        to = ["--registry", f"{site.address}/rag", "--key", keys.public]
        done = invoke("bundle", "load", tmp_path / "bundle", *to)
        links = site.content()

    assert done.exit_code == 0, done.output
    digest = read_lock(tmp_path / "lock").items[0].digest or ""
    short = digest.removeprefix("sha256:")[:12]
    assert f"rag/stackyard/models/llm/_manifests/tags/{short}/current/link" in links
    layout = Layout(tmp_path / "bundle/oci")
    manifest = layout.manifest(digest)
    titles = [layer["annotations"][TITLE] for layer in manifest["layers"]]
    assert titles == sorted(files)
    held = [layout.read(blob.digest) for blob in list(blobs_of(manifest))[1:]]
    assert held == [files[title] for title in titles]


def test_missing_model_files_are_told_before_anything_is_fetched(
    tmp_path: Path, invoke: Invoke
) -> None:
    unpinned = model().model_copy(update={"name": "ranking", "reference": "n.io/r:1#unpinned"})
    write_lock(tmp_path / "lock", lock_of(model(), unpinned, image_item("x", "127.0.0.1:1/x:1")))

    done = invoke("bundle", "create", "-o", tmp_path / "bundle", "--lock", tmp_path / "lock")

    assert done.exit_code == 1
    assert "nvcr.io/nim/llm:2 download-to-cache -p vllm-bf16" in done.output
    assert "models.ranking.profile is not set" in done.output
    assert "--gpus all" in done.output
    assert not (tmp_path / "bundle/oci").exists()


def test_hauler_and_zarf_get_the_same_images_by_digest(factory: Factory, make: Make) -> None:
    image = factory.image([noise(1_000, 31)])
    reference = factory.publish(image, "vendor/papers:1")
    ours = factory.publish(image, f"ours/stackyard/app:{built_tags()['app']}")
    item = image_item("app", "stackyard.invalid/stackyard/app:sealed")
    locked = item.model_copy(update={"source": "built", "digest": image.digest, "size": 1})
    options = ["--built", f"{factory.registry.address}/ours"]
    bundle = make(image_item("papers", reference), locked, options=options)
    wanted = [f"{each}@{image.digest}" for each in (ours, reference)]

    hauler = list(yaml.safe_load_all((bundle.folder / "hauler.yaml").read_text()))
    zarf = yaml.safe_load((bundle.folder / "zarf.yaml").read_text())

    assert hauler[0]["apiVersion"] == "content.hauler.cattle.io/v1"
    assert hauler[0]["spec"]["images"] == [
        {"name": name, "platform": "linux/amd64"} for name in wanted
    ]
    assert zarf["kind"] == "ZarfPackageConfig"
    assert zarf["components"][0]["images"] == wanted


def test_an_image_of_ours_is_built_once_and_pushed_to_where_the_lock_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outside: RealRegistry
) -> None:
    """Docker is a double that says what `docker push` says."""
    (tmp_path / "bin").mkdir()
    double = tmp_path / "bin/docker"
    double.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/said\necho "digest: {DIGEST}"\n')
    double.chmod(0o755)
    monkeypatch.setenv("PATH", f"{double.parent}:/usr/bin:/bin")
    monkeypatch.setenv("STACKYARD_CACHE", str(tmp_path / "cache"))
    item = image_item("importer", "stackyard.invalid/stackyard/importer:sealed")
    place = Place(outside.address, "ours")

    registry = registry_to(place)
    made = build([item], place, registry, lambda _told: None)
    registry.close()

    tag = f"{outside.address}/ours/stackyard/importer:{built_tags()['importer']}"
    assert made == {"importer": tag}
    said = (tmp_path / "said").read_text()
    assert f"--tag {tag}" in said
    assert f"push {tag}" in said
