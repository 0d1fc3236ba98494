"""`bundle.lock`: every image, chart, model, wheel, tool and plugin of a stack, by digest."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from stackyard.errors import Trouble

VERSION = 1
UNRESOLVED = "unresolved"
PLATFORM = "linux/amd64"
ANY = "any"
Kind = Literal["image", "chart", "model", "wheel", "tool", "plugin"]
KINDS: tuple[Kind, ...] = ("image", "chart", "model", "wheel", "tool", "plugin")
PUSHED: tuple[Kind, ...] = ("image", "chart", "model")  # what a registry holds; the rest are files


class Item(BaseModel):
    """One thing that a sealed site needs.

    `digest` is what travels: the manifest's for what a registry holds, the file's for the rest;
    None is shown as `unresolved`. `size` is in bytes, all layers of all platforms that travel.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*$")
    reference: str  # where it comes from: an image reference, a chart's address, a file's name
    digest: str | None = Field(default=None, pattern=r"^sha256:[0-9a-f]{64}$")
    platform: str = PLATFORM
    size: int | None = Field(default=None, ge=0)
    source: str  # who names it: catalog, operator, pod, chart, built, settings, uv.lock, tools
    url: str | None = None  # of a file

    @field_validator("digest", mode="before")
    @classmethod
    def _unresolved(cls, value: object) -> object:
        return None if value == UNRESOLVED else value

    @property
    def key(self) -> str:
        return f"{self.kind}:{self.name}"

    @property
    def resolved(self) -> bool:
        return self.digest is not None

    def line(self) -> dict[str, Any]:
        """Return the item as the lock and `bundle list --json` write it."""
        told = self.model_dump(exclude_none=True)
        return {**told, "digest": self.digest or UNRESOLVED}


class Lock(BaseModel):
    """All items of one stack, in a fixed order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    stack: str
    platform: str = PLATFORM
    python: str  # of the machine that deploys, for example 3.11
    systems: tuple[str, ...] = ()  # of the GPU nodes, the suffix of the driver's image
    items: tuple[Item, ...]

    @property
    def unresolved(self) -> list[Item]:
        return [each for each in self.items if not each.resolved]

    def of(self, *kinds: Kind) -> list[Item]:
        return [each for each in self.items if each.kind in kinds]


def ordered(items: Iterable[Item]) -> tuple[Item, ...]:
    """Return items sorted by kind and name, each once. Raises ValueError for a name of two."""
    found: dict[str, Item] = {}
    for item in items:
        if found.setdefault(item.key, item) != item:
            message = f"{item.key} is {found[item.key].reference} and {item.reference}"
            raise ValueError(message)
    return tuple(sorted(found.values(), key=lambda each: (KINDS.index(each.kind), each.name)))


def dumps(lock: Lock) -> str:
    """Return the lock's text: one item a line, so that a change of the stack is a short diff."""
    head = lock.model_dump(exclude={"items"})
    lines = ",\n".join(f"  {json.dumps(item.line())}" for item in lock.items)
    opening = json.dumps(head, indent=1)[:-2]
    return f'{opening},\n "items": [\n{lines}\n ]\n}}\n'


def read_lock(path: Path) -> Lock:
    """Return a lock from its file. Raises Trouble where it cannot be used."""
    again = f"stackyard bundle lock --lock {path}"
    try:
        return Lock.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        message = f"{path} is not there"
        raise Trouble(message, again) from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "its text"
        message = f"{path} cannot be used: {where}: {first['msg']}"
        raise Trouble(message, again) from None


def write_lock(path: Path, lock: Lock) -> None:
    """Write a lock, whole or not at all."""
    draft = path.with_name(f".{path.name}.new")
    draft.write_text(dumps(lock))
    draft.replace(path)


def with_digests(items: Sequence[Item], known: Lock | None) -> list[Item]:
    """Return items with the digests that an earlier lock has for the same references."""
    earlier = {(item.key, item.reference): item for item in known.items} if known else {}
    return [
        earlier.get((item.key, item.reference), item) if not item.resolved else item
        for item in items
    ]


def changes(old: Lock | None, new: Lock) -> list[str]:
    """Return what a new lock adds, drops and changes, one line each."""
    before = {item.key: item for item in old.items} if old else {}
    after = {item.key: item for item in new.items}
    lines = [f"+ {key} {_told(after[key])}" for key in after if key not in before]
    lines += [f"- {key} {_told(before[key])}" for key in before if key not in after]
    lines += [
        f"~ {key} {_told(before[key])} -> {_told(after[key])}"
        for key in after
        if key in before and before[key].line() != after[key].line()
    ]
    return lines


def _told(item: Item) -> str:
    return f"{item.reference} {item.digest or UNRESOLVED}"
