"""Images of a stack signed in the registry that they lie in."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from stackyard.bundle import signing
from stackyard.bundle.access import Access
from stackyard.bundle.in_place import own_images, sign_in_place
from stackyard.bundle.registry import Registry
from stackyard.errors import Trouble
from tests.stackyard.bundle.conftest import Factory, Keys
from tests.stackyard.conftest import Invoke
from tools.binaries import cosign

pytestmark = pytest.mark.integration

Inventory = list[dict[str, str | None]]


@pytest.fixture
def inventory(factory: Factory) -> Inventory:
    app, both = factory.image([b"app"], docker=True), factory.image([b"both"], docker=True)
    images = {
        "app": (factory.publish(app, "stackyard/app:1"), app.digest),
        "models": (
            factory.publish(many := factory.many({"amd64": both}), "stackyard/models:1"),
            many.digest,
        ),
    }
    ours: Inventory = [{"name": n, "image": f"{i}@{digest}"} for n, (i, digest) in images.items()]
    return [
        *ours,
        {"name": "pause", "image": f"registry.k8s.io/pause:3@sha256:{'0' * 64}"},
        {"name": "tagged", "image": f"{factory.registry.address}/tagged:1"},
    ]


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inventory: Inventory) -> None:
    """A stack that is up; its engine is a double that tells the inventory."""

    class Engine:
        def __init__(self, *_: object) -> None:
            pass

        def outputs(self) -> Mapping[str, object]:
            return {"inventory": inventory}

    (tmp_path / "Pulumi.yaml").write_text("name: stackyard\nruntime: python\n")
    (tmp_path / "Pulumi.dev.yaml").write_text("config: {}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("stackyard.commands.bundle_sign.Engine", Engine)
    monkeypatch.setattr("stackyard.machine.environment", lambda _: {})


@pytest.mark.timeout(1800)  # the first one builds cosign
@pytest.mark.usefixtures("stack")
def test_cosign_verifies_what_lies_in_the_stacks_registry(
    factory: Factory, keys: Keys, invoke: Invoke
) -> None:
    first = invoke("bundle", "sign", "--key", keys.private, "--json")
    again = invoke("bundle", "sign", "--key", keys.private)

    assert (first.exit_code, again.exit_code) == (0, 0), first.output + again.output
    signed = json.loads(first.stdout)["signed"]
    # the app, the index and what it holds; not what lies elsewhere or has no digest
    ours = f"{factory.registry.address}/stackyard"
    assert sorted(image.partition("@")[0] for image in signed) == [
        *(f"{ours}/app", f"{ours}/models", f"{ours}/models")
    ]
    for image in signed:
        done = subprocess.run(
            [
                *(cosign(), "verify", "--key", keys.public, "--insecure-ignore-tlog"),
                *("--allow-http-registry", image),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


def test_nothing_is_signed_where_an_image_is_not_there(factory: Factory, keys: Keys) -> None:
    host = factory.registry.address
    gone = {"name": "gone", "image": f"{host}/gone@sha256:{'0' * 64}"}
    alone = factory.image([b"alone"])
    lonely = f"{factory.publish(alone, 'lonely:1')}@{alone.digest}"
    images = own_images([{"name": "lonely", "image": lonely}, gone], host)
    key = signing.read_private_key(keys.private, None)

    with pytest.raises(Trouble, match=r"gone@sha256:0+ is not in the registry"):
        sign_in_place(key, images, Access(host=host))

    with Registry(Access(host=host)) as registry:
        assert registry.manifest("lonely", signing.signature_tag(alone.digest)) is None


def test_a_registry_that_has_no_image_of_the_stack_is_named(inventory: Inventory) -> None:
    with pytest.raises(
        Trouble, match=r"no image of the stack lies at elsewhere\.example by digest"
    ):
        own_images(inventory, "elsewhere.example")
