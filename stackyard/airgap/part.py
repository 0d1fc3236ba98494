"""What the static checks look at: the objects of a stack, and what they may name."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from infra.reach import AllowList

Json = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """What a stack may name."""

    host: str
    prefix: str | None
    allowed: AllowList


@dataclass(frozen=True)
class Part:
    """One object, from the program or from a chart."""

    name: str
    kind: str
    value: Json


def parts_of(resources: Iterable[Json]) -> list[Part]:
    """Return the Kubernetes objects and releases of an evaluated program."""
    return [
        Part(str(each["name"]), str(each["type"]).rpartition(":")[2], each["inputs"])
        for each in resources
        if str(each["type"]).startswith("kubernetes:")
    ]
