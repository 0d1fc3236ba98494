"""Signs images where they lie: those that `up` built and pushed to a stack's own registry."""

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from infra.registry import Reference, parse
from stackyard.bundle import signing
from stackyard.bundle.access import Access
from stackyard.bundle.image_signatures import add_signature
from stackyard.bundle.layout import Layout
from stackyard.bundle.registry import Registry
from stackyard.bundle.transport import Skopeo
from stackyard.errors import Trouble
from tools.portable import find_skopeo


def own_images(inventory: Sequence[Mapping[str, str | None]], host: str) -> list[Reference]:
    """Return the images of a stack's inventory that lie at a registry and have a digest.

    Raises Trouble where there is none: then nothing could be signed.
    """
    every = [parse(each["image"]) for each in inventory if each["image"]]
    found = [each for each in every if each.host == host and each.digest is not None]
    if not found:
        hosts = ", ".join(sorted({each.host for each in every})) or "nowhere"
        message = f"no image of the stack lies at {host} by digest; they lie at {hosts}"
        raise Trouble(message, "--registry HOST names another; stackyard up builds and pushes")
    return found


def sign_in_place(
    key: ec.EllipticCurvePrivateKey, images: Sequence[Reference], access: Access
) -> dict[str, str]:
    """Push what `cosign sign --recursive` would; return each image -> its signature's tag.

    The same key and image give the same bytes: signed again, nothing is pushed. Raises Trouble
    for an image that is not there, before any is signed.
    """
    signed: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="stackyard-sign-") as scratch, Registry(access) as at:
        layout = Layout(Path(scratch))
        layout.make()
        wanted = [(image, digest) for image in images for digest in _manifests(at, image)]
        skopeo = Skopeo([str(find_skopeo())], access)
        for image, digest in wanted:
            payload = signing.claim(f"{image.host}/{image.path}", digest)
            made = add_signature(layout, payload, signing.sign(key, payload))
            beside = Reference(image.host, image.path, signing.signature_tag(digest))
            if at.manifest(image.path, made.digest) is None:
                skopeo.push(layout, made.digest, beside)
            signed[f"{image.host}/{image.path}@{digest}"] = str(beside)
    return signed


def _manifests(registry: Registry, image: Reference) -> Iterator[str]:
    """Yield the digest of an image, and of each platform's where it is an index."""
    assert image.digest is not None
    found = registry.manifest(image.path, image.digest)
    if found is None:
        message = f"{image} is not in the registry"
        raise Trouble(message, "stackyard up builds and pushes it")
    yield image.digest
    yield from (child["digest"] for child in json.loads(found[0]).get("manifests", ()))
