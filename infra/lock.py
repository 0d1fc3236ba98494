"""The lock of a bundle, as far as a deployment reads it: what has which digest in the registry."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.registry import DIGEST, parse

OWN = "stackyard/"  # path of the images that this program builds
OWN_HOST = "stackyard.invalid"  # their host in a lock: no registry has them before they are loaded
MODELS = "stackyard/models/"
DRIVER = "gpu-operator-driver"
SHORT = 12  # digits of a digest that are the tag of a model's files


class BadLock(ValueError):
    """The file is no lock; the text says why."""


@dataclass(frozen=True)
class Lock:
    """What the bundle in the site's registry has.

    `digests` by reference with its tag in full, `own` by recipe, `models` by role: a path with tag
    and digest; `profiles` by role: what the model's files are for.
    """

    digests: Mapping[str, str] = field(default_factory=dict)
    own: Mapping[str, str] = field(default_factory=dict)
    models: Mapping[str, str] = field(default_factory=dict)
    profiles: Mapping[str, str] = field(default_factory=dict)


def read_lock(path: Path) -> Lock:
    """Read a lock. Raises OSError and BadLock."""
    digests: dict[str, str] = {}
    own: dict[str, str] = {}
    models: dict[str, str] = {}
    profiles: dict[str, str] = {}
    drivers: list[tuple[str, str]] = []
    try:
        for item in json.loads(path.read_text())["items"]:
            digest = _digest(item)
            if digest is None:
                continue  # unresolved: the settings' check says which of them are needed
            if item["kind"] == "model":
                short = digest.removeprefix("sha256:")[:SHORT]
                models[item["name"]] = f"{MODELS}{item['name']}:{short}@{digest}"
                profiles[item["name"]] = item["reference"].partition("#")[2]
            elif item["kind"] == "image":
                reference = parse(item["reference"])
                if reference.host == OWN_HOST:
                    own[reference.path.removeprefix(OWN)] = digest
                    continue
                digests[f"{reference.host}/{reference.path}:{reference.tag}"] = digest
                if item["name"].startswith(f"{DRIVER}-"):
                    system = item["name"].removeprefix(DRIVER)
                    name = f"{reference.host}/{reference.path}:{reference.tag}"
                    drivers.append((name.removesuffix(system), digest))
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError, ValueError) as error:
        message = f"it is not the lock of a bundle ({type(error).__name__}: {error})"
        raise BadLock(message) from None
    if len(drivers) == 1:  # for nodes of several systems the operator has to choose
        digests |= dict(drivers)
    return Lock(digests, own, models, profiles)


def _digest(item: Mapping[str, Any]) -> str | None:
    digest = item["digest"]
    return digest if isinstance(digest, str) and DIGEST.fullmatch(digest) else None
