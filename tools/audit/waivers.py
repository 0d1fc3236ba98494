"""What was looked at and is left for now: each with its reason and its last day."""

import tomllib
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from tools.audit.export import Finding, Unusable

KEYS = {"id": str, "package": str, "reason": str, "until": date}


@dataclass(frozen=True)
class Waiver:
    """One hole of one package that does not stop the audit until a day."""

    id: str
    package: str
    reason: str
    until: date

    def holds(self, finding: Finding, today: date) -> bool:
        ours = self.id in finding.names and self.package == finding.package.name
        return ours and today <= self.until


def read_waivers(file: Path) -> list[Waiver]:
    """Return the waivers of a file, none without it. Raises Unusable for one without a reason."""
    if not file.is_file():
        return []
    try:
        listed = tomllib.loads(file.read_text()).get("waiver", [])
    except tomllib.TOMLDecodeError as error:
        message = f"{file} is not TOML: {error}\nhint: correct it and run the same again"
        raise Unusable(message) from None
    return [_waiver(file, number, given) for number, given in enumerate(listed, 1)]


def _waiver(file: Path, number: int, given: dict[str, Any]) -> Waiver:
    problems = [f"{key} is not a member" for key in given.keys() - KEYS.keys()]
    for key, kind in KEYS.items():
        if type(given.get(key)) is not kind or given[key] == "":  # a datetime is a date too
            wanted = "a day such as 2027-01-31" if kind is date else "a text"
            problems.append(f"{key} is {given.get(key)!r}; it must be {wanted}")
    if problems:
        message = (
            f"waiver {number} of {file}: {'; '.join(problems)}\n"
            'hint: [[waiver]] with id = "...", package = "...", reason = "...", until = DAY'
        )
        raise Unusable(message)
    return Waiver(**given)
