"""Which documents a listing is about, as conditions of SQL on the journal's documents `d`."""

import json
from dataclasses import dataclass

from app.access.identity import Identity


def readable(identity: Identity | None) -> tuple[str, tuple[str, ...]]:
    """Return the condition for what a caller may read, and its values; None reads everything."""
    if identity is None:
        return "true", ()
    conditions: list[str] = []
    values: list[str] = []
    if identity.collections is not None:
        conditions.append("d.collection in (select value from json_each(?))")
        values.append(json.dumps(sorted(identity.collections)))
    if not identity.is_admin:
        conditions.append(
            "(d.owner = ? or exists (select 1 from json_each(d.readers)"
            " where value in (select value from json_each(?))))"
        )
        values += [identity.subject, json.dumps(identity.principals)]
    return " and ".join(conditions) or "true", tuple(values)


@dataclass(frozen=True)
class Selection:
    """Documents of one owner, or that were last changed before a moment (ISO 8601, UTC)."""

    owner: str | None = None
    before: str | None = None

    def condition(self) -> tuple[str, tuple[str | None, ...]]:
        return (
            "(? is null or d.owner = ?) and (? is null or d.updated < ?)",
            (self.owner, self.owner, self.before, self.before),
        )


EVERYTHING = Selection()
