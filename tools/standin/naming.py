"""Names for objects that the program does not name."""

import secrets
import string

from tools.standin.objects import AUTONAMED, annotation, metadata, name_of
from tools.standin.wire import UNKNOWN, Manifest, plain

DIGITS = 8
# Room for the suffixes that controllers add to a name of 63 characters.
LONGEST_STEM = 40


def unique_name(stem: str, seed: bytes) -> str:
    """Return a name made of the stem and the seed, the same for the same seed."""
    digits = seed.hex()[:DIGITS] or secrets.token_hex(DIGITS // 2)
    allowed = string.ascii_lowercase + string.digits + "-."
    cleaned = "".join(c if c in allowed else "-" for c in stem.lower()).strip("-.")
    return f"{cleaned[:LONGEST_STEM].rstrip('-.')}-{digits}"


def named(inputs: Manifest, olds: Manifest, stem: str, seed: bytes) -> Manifest:
    """Return the inputs with a name: the given one, the old one of ours, or a new one."""
    metadata_given = inputs.get("metadata")
    if metadata_given is UNKNOWN:
        return inputs
    current = metadata({"metadata": plain(metadata_given)})
    if current.get("name") or current.get("generateName"):
        return inputs
    kept = plain(olds)
    old = annotation(kept, AUTONAMED) == "true" and name_of(kept)
    annotations = {**(current.get("annotations") or {}), AUTONAMED: "true"}
    raw = metadata_given if isinstance(metadata_given, dict) else current
    return {
        **inputs,
        "metadata": {**raw, "name": old or unique_name(stem, seed), "annotations": annotations},
    }
