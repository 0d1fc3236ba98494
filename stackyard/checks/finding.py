"""One thing that was looked at: what was found, why it matters, the command that fixes it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Literal

from stackyard.errors import Trouble
from stackyard.kubernetes import Refused

Status = Literal["ok", "problem", "unknown"]


@dataclass(frozen=True)
class Finding:
    """A result of a check; `unknown` where it could not be looked at."""

    check: str
    status: Status
    what: str
    why: str = ""
    fix: str = ""

    def as_json(self) -> dict[str, str]:
        return asdict(self)


Check = Callable[[], Iterable[Finding]]


def ok(check: str, what: str) -> Finding:
    return Finding(check, "ok", what)


def problem(check: str, what: str, why: str, fix: str) -> Finding:
    return Finding(check, "problem", what, why, fix)


def unknown(check: str, what: str, why: str = "", fix: str = "") -> Finding:
    return Finding(check, "unknown", what, why, fix)


def run(check: Check) -> Iterator[Finding]:
    """Yield a check's findings; what stops it is a finding too, and stops no other check."""
    name = str(getattr(getattr(check, "func", check), "__name__", "check")).replace("_", " ")
    try:
        yield from check()
    except Refused as error:
        why = "these credentials may not read it, so it was not checked"
        yield unknown(name, f"{error.status}: {error}", why, "ask for read access, or skip it")
    except Trouble as error:
        what, _, fix = str(error).partition("\nhint: ")
        yield unknown(name, what, "it could not be checked", fix)
