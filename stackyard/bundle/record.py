"""The record: the artefact by which a site's registry says which bundle it has."""

import tempfile
from pathlib import Path

from stackyard.bundle import signing
from stackyard.bundle.layout import Blob, Layout, descriptor
from stackyard.bundle.manifest import NAME
from stackyard.bundle.places import BUNDLE

RECORD = "application/vnd.stackyard.bundle.v1"


def add_record(layout: Layout, content: bytes) -> Blob:
    """Write the record of a bundle.json; the same bytes make the same digest."""
    blob = layout.add(content)
    return layout.add_artefact(RECORD, [descriptor(blob, RECORD, NAME)])


def record_claim(content: bytes) -> bytes:
    """Return what is signed for the record of a bundle.json, as for an image.

    The site has no private key, and a registry that shows only signed images would hide it there.
    """
    with tempfile.TemporaryDirectory(prefix="stackyard-record-") as scratch:
        layout = Layout(Path(scratch))
        layout.make()
        return signing.claim(BUNDLE, add_record(layout, content).digest)
