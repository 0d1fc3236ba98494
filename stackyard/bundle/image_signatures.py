"""What `cosign sign` would push beside each image, into the layout of a bundle."""

import json
from collections.abc import Iterable

from cryptography.hazmat.primitives.asymmetric import ec

from stackyard.bundle import signing
from stackyard.bundle.layout import MANIFEST, Layout, descriptor
from stackyard.bundle.lock import PUSHED, Item


def sign_images(
    key: ec.EllipticCurvePrivateKey, items: Iterable[Item], layout: Layout
) -> dict[str, str]:
    """Write what `cosign sign` would push for each image; return digest -> its manifest."""
    made = {}
    for item in items:
        if item.kind not in PUSHED or item.digest is None:
            continue
        payload = signing.claim(item.reference.partition("@")[0], item.digest)
        blob = layout.add(payload)
        layer = {
            **descriptor(blob, signing.SIMPLE_SIGNING),
            "annotations": {signing.ANNOTATION: signing.sign(key, payload)},
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
        made[item.digest] = layout.add(json.dumps(manifest).encode()).digest
    return made
