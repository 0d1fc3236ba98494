"""One check of a proof: what was looked at, what was found, and how that came out."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

Outcome = Literal["passed", "failed", "not examined"]


@dataclass(frozen=True)
class Leak:
    """One thing that names, or reaches, what it must not."""

    where: str
    what: str


@dataclass(frozen=True)
class Check:
    """What a check asked, its evidence, and each leak. Nothing looked at is no pass."""

    name: str
    asks: str
    evidence: tuple[str, ...]
    leaks: tuple[Leak, ...] = ()
    unexamined: str = ""  # why it could not be done

    @property
    def outcome(self) -> Outcome:
        if self.leaks:
            return "failed"
        return "not examined" if self.unexamined or not self.evidence else "passed"

    def as_json(self) -> dict[str, Any]:
        return {
            "check": self.name,
            "asks": self.asks,
            "outcome": self.outcome,
            "evidence": list(self.evidence),
            "leaks": [{"where": leak.where, "what": leak.what} for leak in self.leaks],
            "unexamined": self.unexamined,
        }


def checked(
    name: str,
    asks: str,
    evidence: Iterable[str],
    leaks: Iterable[Leak],
    unexamined: str = "",
) -> Check:
    """Return a check of what generators found, each once."""
    return Check(
        name,
        asks,
        tuple(dict.fromkeys(evidence)),
        tuple(dict.fromkeys(leaks)),
        unexamined,
    )
