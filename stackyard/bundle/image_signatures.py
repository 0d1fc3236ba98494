"""What `cosign sign --recursive` would push beside each image, into the layout of a bundle."""

import json
from collections.abc import Iterable

from cryptography.hazmat.primitives.asymmetric import ec

from stackyard.bundle import signing
from stackyard.bundle.layout import MANIFEST, Blob, Layout, descriptor
from stackyard.bundle.lock import PUSHED, Item


def sign_images(
    key: ec.EllipticCurvePrivateKey, items: Iterable[Item], layout: Layout
) -> dict[str, str]:
    """Sign every image and every child of an index; return digest -> its signature's manifest.

    The children too, because a node pulls one of them by its own digest, and a registry that shows
    only signed images asks for a signature of that.
    """
    made = {}
    for item in items:
        if item.kind not in PUSHED or item.digest is None:
            continue
        for digest in layout.manifests(item.digest):
            payload = signing.claim(item.reference.partition("@")[0], digest)
            made[digest] = add_signature(layout, payload, signing.sign(key, payload)).digest
    return made


def add_signature(layout: Layout, payload: bytes, signature: str) -> Blob:
    """Write the artefact that holds a signed payload, as cosign has it; return its manifest."""
    blob = layout.add(payload)
    layer = {
        **descriptor(blob, signing.SIMPLE_SIGNING),
        "annotations": {signing.ANNOTATION: signature},
    }
    config = {
        "architecture": "",
        "created": "0001-01-01T00:00:00Z",
        "os": "",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [blob.digest]},
    }
    kept = layout.add(json.dumps(config).encode())
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor(kept, "application/vnd.oci.image.config.v1+json"),
        "layers": [layer],
    }
    return layout.add(json.dumps(manifest).encode())
