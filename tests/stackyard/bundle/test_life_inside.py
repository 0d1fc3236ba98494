"""What docs/guides/air-gap.md says of life inside, by its commands, against a real registry."""

import subprocess
from pathlib import Path

import pytest

from infra.components.pull_secret import docker_config
from infra.images.importer.import_model import import_model
from infra.lock import read_lock
from stackyard.bundle.layout import Layout, digest_of
from stackyard.bundle.lock import write_lock
from stackyard.bundle.resolve import Sources, resolve
from tests.stackyard.bundle.conftest import Factory, Keys, Made, Make, image_item, lock_of, noise
from tests.stackyard.bundle.real_registry import PASSWORD, USER, RealRegistry, make_certificate
from tests.stackyard.bundle.test_contents import model
from tests.stackyard.conftest import Invoke

pytestmark = pytest.mark.integration
LAYER = noise(40_000, 60)
NEXT, NEXT_PASSWORD = "robot$next", "open-barley"
NEXT_LINE = f"{NEXT}:$2b$05$abcdefghijklmnopqrstuuIwotAZGJxYdDJLAZOnyRTC.BEE5k3PK\n"  # bcrypt


@pytest.fixture
def site(tmp_path: Path) -> RealRegistry:
    return RealRegistry(tmp_path / "site", tls=True, password=True)


@pytest.fixture
def bundle(factory: Factory, make: Make) -> Made:
    return make(image_item("app", factory.publish(factory.image([LAYER]), "vendor/inside:1")))


def access(folder: Path, ca: Path, user: str = USER, password: str = PASSWORD) -> list[str | Path]:
    """Return the options by which a registry is reached."""
    file = folder / f"password-{user}"
    file.write_text(password)
    return ["--username", user, "--password-file", file, "--ca", ca]


def test_another_model_travels_as_a_difference_and_takes_the_place_of_the_first(
    tmp_path: Path, site: RealRegistry, keys: Keys, invoke: Invoke
) -> None:
    kept, first, second = noise(50_000, 60), noise(60_000, 61), noise(70_000, 62)
    assert site.ca is not None
    (tmp_path / "keys.json").write_text(docker_config(site.address, USER, PASSWORD))
    cache, lock, earlier = tmp_path / "cache", tmp_path / "bundle.lock", tmp_path / "site.lock"
    cache.mkdir()
    disk = tmp_path / "disk"
    to = ["--registry", f"{site.address}/rag", "--key", keys.public, *access(tmp_path, site.ca)]
    files = tmp_path / "models/llm/ngc"
    files.mkdir(parents=True)
    (files / "kept").write_bytes(kept)
    seen = []

    with site:
        for weights in (first, second):
            (files / "weights").write_bytes(weights)
            models = tmp_path / "models"
            found, _ = resolve(lock_of(model()), Sources(models=models), lambda _told: None)
            write_lock(lock, found)
            since = ["--since", earlier] if earlier.exists() else []
            made = invoke(
                *("bundle", "create", "-o", disk, "--lock", lock, "--models", models),
                *("--key", keys.private, *since),
            )
            assert made.exit_code == 0, made.output
            loaded = invoke("bundle", "load", disk, *to)
            assert loaded.exit_code == 0, loaded.output
            # as the stack names it, and logs in: what the importer's Job is given
            artefact = f"{site.address}/rag/{read_lock(lock).models['llm']}"
            import_model(artefact, cache, tmp_path / "keys.json", site.ca)
            seen.append({f.name: f.read_bytes() for f in (cache / "ngc").iterdir()})
            earlier.write_bytes(lock.read_bytes())

    assert seen == [{"kept": kept, "weights": first}, {"kept": kept, "weights": second}]
    layout = Layout(disk / "oci")
    assert layout.path(digest_of(second)).is_file()
    assert not layout.path(digest_of(kept)).exists(), "the site has it"


def test_authority_and_password_change_in_steps_that_all_fit(
    tmp_path: Path, site: RealRegistry, bundle: Made, keys: Keys, invoke: Invoke
) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: stackyard\nruntime: python\n")
    settings = tmp_path / "Pulumi.dev.yaml"
    settings.write_text("config: {}\n")
    assert site.ca is not None
    old, both, new = (tmp_path / f"{name}.crt" for name in ("old", "both", "new"))
    old.write_bytes(site.ca.read_bytes())
    before = {name: (site.folder / name).read_bytes() for name in ("server.crt", "server.key")}
    make_certificate(site.folder)
    new.write_bytes(site.ca.read_bytes())
    both.write_bytes(old.read_bytes() + new.read_bytes())
    after = {name: (site.folder / name).read_bytes() for name in before}
    verify = ["bundle", "verify", "--settings", settings, "--lock", bundle.lock]
    verify += ["--registry", f"{site.address}/rag"]

    put(site, before, old)
    with site:
        to = ["--registry", f"{site.address}/rag", "--key", keys.public]
        loaded = invoke("bundle", "load", bundle.folder, *to, *access(tmp_path, both))
    put(site, after, new)
    (site.folder / "htpasswd").write_text((site.folder / "htpasswd").read_text() + NEXT_LINE)
    with site:
        of_old = invoke(*verify, *access(tmp_path, old))
        of_both = invoke(*verify, *access(tmp_path, both))
    (site.folder / "htpasswd").write_text(NEXT_LINE)
    with site:
        late = invoke(*verify, *access(tmp_path, new))
        changed = invoke(*verify, *access(tmp_path, new, NEXT, NEXT_PASSWORD))

    assert loaded.exit_code == 0, loaded.output
    assert of_old.exit_code == 1
    assert f"{site.address} is not trusted" in of_old.output
    assert "--ca FILE" in of_old.output
    assert of_both.exit_code == 0, of_both.output
    assert late.exit_code == 1
    assert "answered 401, it refuses the user or the password" in late.output
    assert changed.exit_code == 0, changed.output


def put(site: RealRegistry, files: dict[str, bytes], ca: Path) -> None:
    """Give a registry that is not running another certificate."""
    for name, content in files.items():
        (site.folder / name).write_bytes(content)
    (site.folder / "ca.crt").write_bytes(ca.read_bytes())


def test_another_registry_is_filled_from_the_disk_and_has_the_same(
    tmp_path: Path, bundle: Made, keys: Keys, invoke: Invoke
) -> None:
    content = []
    for name in ("old", "new"):
        with RealRegistry(tmp_path / name) as registry:
            to = ["--registry", f"{registry.address}/rag", "--key", keys.public]
            done = invoke("bundle", "load", bundle.folder, *to)
            assert done.exit_code == 0, done.output
            content.append((registry.content(), registry.blobs()))

    assert content[0] == content[1]


def test_a_broken_disk_is_told_by_its_file_which_alone_is_copied_again(
    tmp_path: Path, site: RealRegistry, bundle: Made, keys: Keys, invoke: Invoke
) -> None:
    assert site.ca is not None
    layer = Layout(bundle.folder / "oci").path(digest_of(LAYER))
    layer.write_bytes(LAYER[:-1] + bytes([LAYER[-1] ^ 1]))

    told = invoke("bundle", "verify", bundle.folder, "--key", keys.public)
    sums = subprocess.run(
        ["sha256sum", "--check", "--quiet", "checksums.txt"],
        cwd=bundle.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    layer.write_bytes(LAYER)
    with site:
        to = ["--registry", f"{site.address}/rag", "--key", keys.public]
        loaded = invoke("bundle", "load", bundle.folder, *to, *access(tmp_path, site.ca))

    assert told.exit_code == 1
    assert f"{layer} is damaged" in told.output
    assert sums.stdout.splitlines() == [f"{layer.relative_to(bundle.folder)}: FAILED"]
    assert loaded.exit_code == 0, loaded.output
