"""What came of a fault."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Seen:
    """`kept` is whether the promise was; `said` is for the table."""

    kept: bool
    said: str
    figures: dict[str, float]
