"""The lock of a bundle: which digest every image has in the site's registry."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from infra.registry import DIGEST, parse

OWN = "stackyard/"  # path of the images that this program builds


class BadLock(ValueError):
    """The file is no lock; the text says why."""


@dataclass(frozen=True)
class Lock:
    """Digests by reference with its tag, in full; those of our own images by recipe."""

    digests: Mapping[str, str] = field(default_factory=dict)
    own: Mapping[str, str] = field(default_factory=dict)


def read_lock(path: Path) -> Lock:
    """Read a lock. Raises OSError and BadLock."""
    try:
        read = json.loads(path.read_text())
        images = read["images"]
        digests, own = {}, {}
        for image in images:
            reference, digest = parse(image["reference"]), image.get("digest")
            if digest is None:
                continue  # unresolved: the settings' check says which of them are needed
            if not isinstance(digest, str) or not DIGEST.fullmatch(digest):
                message = f"{image['reference']} has the digest {digest!r}"
                raise BadLock(message)
            _, found, recipe = reference.path.rpartition(OWN)
            if found and "/" not in recipe:
                own[recipe] = digest
            else:
                digests[f"{reference.host}/{reference.path}:{reference.tag}"] = digest
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        message = f"it is not the lock of a bundle ({type(error).__name__}: {error})"
        raise BadLock(message) from None
    return Lock(digests, own)
