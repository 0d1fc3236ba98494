"""A bundle on its way from a real registry into another, by the commands and by skopeo."""

import json
import subprocess
import time
from pathlib import Path

import pytest

from stackyard.bundle.access import Access
from stackyard.bundle.layout import Blob, Layout, digest_of
from stackyard.bundle.lock import read_lock
from stackyard.bundle.registry import Registry
from tests.stackyard.bundle.conftest import Factory, Keys, Make, image_item, noise
from tests.stackyard.bundle.doors import ProxyDouble, TokenDouble, content_trust
from tests.stackyard.bundle.real_registry import PASSWORD, USER, RealRegistry
from tests.stackyard.conftest import Invoke
from tools.binaries import cosign

pytestmark = pytest.mark.integration
SHARED = noise(300_000, 1)


def test_every_digest_is_the_same_behind_tls_and_a_password(
    tmp_path: Path, factory: Factory, make: Make, keys: Keys, invoke: Invoke
) -> None:
    docker = factory.image([SHARED, noise(70_000, 2)], docker=True)
    oci = factory.image([SHARED, noise(90_000, 3)])
    many = factory.many({"amd64": docker, "arm64": factory.image([noise(9_000, 4)], docker=True)})
    bundle = make(
        image_item("docker", factory.publish(docker, "vendor/docker:1")),
        image_item("oci", factory.publish(oci, "vendor/oci:1")),
        image_item("many", factory.publish(many, "vendor/many:1") + f"@{many.digest}"),
        image_item("platform", factory.publish(many, "vendor/platform:1")),
    )
    password = tmp_path / "password"
    password.write_text(PASSWORD + "\n")

    with RealRegistry(tmp_path / "site", tls=True, password=True) as site:
        assert site.ca is not None
        options = ["--username", USER, "--password-file", password, "--ca", site.ca]
        first = invoke(
            *("bundle", "load", bundle.folder, "--registry", f"{site.address}/team/rag"),
            *("--key", keys.public, *options, "--json"),
        )
        assert first.exit_code == 0, first.output
        second = invoke(
            *("bundle", "load", bundle.folder, "--registry", f"{site.address}/team/rag"),
            *("--key", keys.public, *options, "--json"),
        )
        access = Access(host=site.address, username=USER, password=PASSWORD, ca=site.ca)
        with Registry(access) as registry:
            held = {
                item.name: registry.manifest(f"team/rag/vendor/{item.name}", "1")
                for item in read_lock(bundle.lock).items
            }

    locked = {item.name: item for item in read_lock(bundle.lock).items}
    assert {n: digest_of(m[0]) for n, m in held.items() if m} == {
        name: item.digest for name, item in locked.items()
    }
    assert locked["docker"].digest == docker.digest
    assert locked["platform"].digest == docker.digest  # one platform of the index
    assert (locked["many"].digest, locked["many"].platform) == (many.digest, "all")
    assert len(json.loads(first.stdout)["pushed"]) == 4
    assert json.loads(second.stdout)["pushed"] == []


def test_a_blob_that_images_share_is_in_the_bundle_once(factory: Factory, make: Make) -> None:
    bundle = make(
        *(
            image_item(f"a{n}", factory.publish(factory.image([SHARED, noise(900, n)]), f"a/{n}:1"))
            for n in range(3)
        )
    )

    layout = Layout(bundle.folder / "oci")
    sizes = [f.stat().st_size for f in (layout.folder / "blobs/sha256").iterdir()]
    assert sizes.count(len(SHARED)) == 1


def test_a_registry_behind_tokens_takes_the_bundle(
    tmp_path: Path, factory: Factory, make: Make, keys: Keys, invoke: Invoke
) -> None:
    reference = factory.publish(factory.image([SHARED]), "vendor/token:1")
    bundle = make(image_item("token", reference))
    password = tmp_path / "password"
    password.write_text(PASSWORD)

    with (
        TokenDouble(tmp_path / "tokens") as tokens,
        RealRegistry(tmp_path / "site", token=tokens.config) as site,
    ):
        to = ["--registry", f"{site.address}/rag", "--key", keys.public, "--username", USER]
        done = invoke("bundle", "load", bundle.folder, *to, "--password-file", password)
        password.write_text("wrong")
        refused = invoke("bundle", "load", bundle.folder, *to, "--password-file", password)

    assert done.exit_code == 0, done.output
    assert refused.exit_code == 1
    assert "answered 401" in refused.output


def test_a_double_of_harbor_that_shows_only_signed_images_shows_all_of_a_bundle(
    tmp_path: Path, factory: Factory, make: Make, keys: Keys, invoke: Invoke
) -> None:
    """Harbor itself cannot be had: the double answers 412 as its source does."""
    images = {
        name: factory.image([SHARED, noise(900, number)], docker=True)
        for number, name in enumerate(("amd64", "arm64"))
    }
    many = factory.many(images)
    bundle = make(
        image_item("signed", factory.publish(images["amd64"], "vendor/signed:1")),
        image_item("many", factory.publish(many, "vendor/many:1") + f"@{many.digest}"),
    )
    again = ["bundle", "load", bundle.folder, "--key", keys.public, "--json"]

    with (
        RealRegistry(tmp_path / "site") as site,
        ProxyDouble(site.address, content_trust(site)) as harbor,
    ):
        to = ["--registry", f"{harbor.address}/rag"]
        done = [invoke(*again, *to) for _ in range(2)]
        with Registry(Access(host=harbor.address)) as registry:
            child = registry.manifest("rag/vendor/many", images["arm64"].digest)
            record = registry.manifest("rag/stackyard/bundle", "dev")

    assert [each.exit_code for each in done] == [0, 0], done[0].output
    assert len(json.loads(done[0].stdout)["pushed"]) == 2
    assert json.loads(done[1].stdout)["pushed"] == []
    assert child is not None, "a node pulls one platform by its own digest"
    assert record is not None, "else the site would not know which bundle it has"


def test_a_slow_registry_that_stumbles_is_waited_for(
    tmp_path: Path, factory: Factory, make: Make, keys: Keys, invoke: Invoke
) -> None:
    reference = factory.publish(factory.image([SHARED]), "vendor/slow:1")
    bundle = make(image_item("slow", reference))
    stumbles = iter([True, False, True])

    def slow(method: str, path: str) -> tuple[int, bytes] | None:
        time.sleep(0.05)
        if method == "HEAD" and "/blobs/" in path and next(stumbles, False):
            return 503, b""
        return None

    with RealRegistry(tmp_path / "site") as site, ProxyDouble(site.address, slow) as door:
        to = ["--registry", door.address, "--key", keys.public]
        done = invoke("bundle", "load", bundle.folder, *to)

    assert done.exit_code == 0, done.output


def test_a_second_bundle_fetches_only_what_changed_and_nothing_where_nothing_did(
    factory: Factory, make: Make
) -> None:
    first = factory.publish(factory.image([SHARED, noise(50_000, 5)]), "vendor/app:1")
    second = factory.publish(factory.image([SHARED, noise(60_000, 6)]), "vendor/app:2")

    made = make(image_item("app", first))
    again = make(image_item("app", first))
    changed = make(image_item("app", second))

    assert "4 fetched anew" not in made.said  # manifest apart: config, two layers
    assert "3 fetched anew" in made.said
    assert "0 fetched anew (0 B)" in again.said
    assert "2 fetched anew" in changed.said


def test_a_bundle_of_differences_needs_what_it_builds_on(
    tmp_path: Path, factory: Factory, make: Make, keys: Keys, invoke: Invoke
) -> None:
    first = factory.publish(factory.image([SHARED, noise(50_000, 7)]), "vendor/rag:1")
    second = factory.publish(factory.image([SHARED, noise(60_000, 8)]), "vendor/rag:2")
    full = make(image_item("rag", first), name="full")
    less = make(image_item("rag", second), name="less", options=["--since", full.lock])

    with RealRegistry(tmp_path / "site") as site:
        to = ["--registry", site.address, "--key", keys.public]
        early = invoke("bundle", "load", less.folder, *to)
        loads = [invoke("bundle", "load", each.folder, *to) for each in (full, less)]

    sizes = [f.stat().st_size for f in (less.folder / "oci/blobs/sha256").iterdir()]
    assert len(SHARED) not in sizes
    assert early.exit_code == 1
    assert "which this bundle of differences builds on" in early.output
    assert [each.exit_code for each in loads] == [0, 0], loads[-1].output


def test_a_fetch_goes_on_in_the_middle_of_a_layer(
    tmp_path: Path, factory: Factory, outside: RealRegistry
) -> None:
    layer = noise(3_000_000, 9)
    image = factory.image([layer])
    factory.publish(image, "vendor/big:1")
    blob = Blob(digest_of(layer), len(layer))
    target = tmp_path / "layer"
    target.with_name("layer.partial").write_bytes(layer[:2_000_000])
    moved: list[int] = []

    with Registry(Access(host=outside.address)) as registry:
        registry.fetch_blob("vendor/big", blob, target, moved.append)

    assert sum(moved) == 1_000_000
    assert target.read_bytes() == layer


def test_a_damaged_rest_of_an_earlier_fetch_is_fetched_anew(
    tmp_path: Path, factory: Factory, outside: RealRegistry
) -> None:
    layer = noise(100_000, 10)
    factory.publish(factory.image([layer]), "vendor/rest:1")
    blob = Blob(digest_of(layer), len(layer))
    target = tmp_path / "layer"
    target.with_name("layer.partial").write_bytes(b"x" * 50_000)

    with Registry(Access(host=outside.address)) as registry:
        registry.fetch_blob("vendor/rest", blob, target, lambda _moved: None)

    assert target.read_bytes() == layer


def test_a_registry_is_compared_with_the_lock(
    tmp_path: Path, factory: Factory, make: Make, keys: Keys, invoke: Invoke
) -> None:
    first = factory.publish(factory.image([SHARED]), "vendor/compared:1")
    bundle = make(image_item("compared", first))
    (tmp_path / "Pulumi.yaml").write_text("name: stackyard\nruntime: python\n")
    settings = tmp_path / "Pulumi.dev.yaml"
    settings.write_text("config: {}\n")

    with RealRegistry(tmp_path / "site") as site:
        verify = ["bundle", "verify", "--settings", settings, "--lock", bundle.lock]
        before = invoke(*verify, "--registry", site.address)
        to = ["--registry", site.address, "--key", keys.public]
        assert invoke("bundle", "load", bundle.folder, *to).exit_code == 0
        after = invoke(*verify, "--registry", site.address)
        other = Factory(tmp_path / "other", site)
        other.publish(other.image([noise(100, 40)]), "vendor/compared:1")
        moved = invoke(*verify, "--registry", site.address, "--json")

    assert (before.exit_code, after.exit_code, moved.exit_code) == (1, 0, 1)
    assert "is not there" in before.output
    assert "the tag 1 means sha256:" in json.loads(moved.stdout)["differences"][0]["what"]


@pytest.mark.timeout(1800)  # the first one builds cosign
def test_cosign_verifies_the_images_that_were_loaded(
    tmp_path: Path, factory: Factory, make: Make, keys: Keys, invoke: Invoke
) -> None:
    image = factory.image([SHARED], docker=True)
    bundle = make(image_item("checked", factory.publish(image, "vendor/checked:1")))

    with RealRegistry(tmp_path / "site") as site:
        to = ["--registry", site.address, "--key", keys.public]
        assert invoke("bundle", "load", bundle.folder, *to).exit_code == 0
        done = subprocess.run(
            [
                *(cosign(), "verify", "--key", keys.public, "--insecure-ignore-tlog"),
                *("--allow-http-registry", f"{site.address}/vendor/checked@{image.digest}"),
            ],
            capture_output=True,
            text=True,
            check=False,
        )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["critical"]["image"] == {
        "docker-manifest-digest": image.digest
    }
