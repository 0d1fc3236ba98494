"""Whether a file of log lines holds the audit log whole, as `app/access/audit.py` writes it.

The file is what the site's log system kept: audit lines of any number of processes in the order of
each, among any other lines.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field

START = "0" * 64
HEAD_DIGITS = 12


@dataclass
class Chain:
    """The lines of one process."""

    replica: str
    lines: int = 0
    head: str = START
    follows: list[str] = field(default_factory=list)
    # The first line that does not fit, and why; nothing behind it is looked at.
    broken: str | None = None
    hashes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Anchor:
    """A head that was kept elsewhere: so many lines, and the beginning of the last one's hash."""

    replica: str
    lines: int
    head: str


def read_chains(lines: Iterable[str]) -> dict[str, Chain]:
    """Follow every chain of a log from its beginning."""
    chains: dict[str, Chain] = {}
    for number, text in enumerate(lines, start=1):
        if '"audit"' not in text:
            continue
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if not isinstance(line, dict) or line.get("event") != "audit":
            continue
        replica = str(line.get("replica"))
        chain = chains.setdefault(replica, Chain(replica))
        if chain.broken is None:
            chain.broken = _next(chain, line, number)
    return chains


def problems(
    chains: dict[str, Chain], anchors: Iterable[Anchor] = (), *, begins_later: bool = False
) -> list[str]:
    """Return what is wrong, in words; nothing is a log without a gap as far as can be known.

    `begins_later` says that the file may lack processes before its first one, as a whole.
    """
    found = [f"{chain.replica}: {chain.broken}" for chain in chains.values() if chain.broken]
    followed = [_anchor(head) for chain in chains.values() for head in chain.follows]
    if begins_later:
        followed = [anchor for anchor in followed if anchor.replica in chains]
    for anchor in [*anchors, *followed]:
        chain = chains.get(anchor.replica)
        if chain is None:
            found.append(f"{anchor.replica}: no line of it is here, and it wrote {anchor.lines}")
        elif chain.broken:
            continue
        elif chain.lines < anchor.lines:
            missing = f"{chain.lines + 1} to {anchor.lines}"
            found.append(f"{anchor.replica}: lines {missing} are missing at the end")
        elif not chain.hashes[anchor.lines - 1].startswith(anchor.head):
            found.append(f"{anchor.replica}: line {anchor.lines} is not the one that was anchored")
    return found


def anchors_in(metrics: str) -> list[Anchor]:
    """Read the anchors out of a page of metrics."""
    values: dict[str, dict[str, int]] = {}
    for text in metrics.splitlines():
        name, _, rest = text.partition('{replica="')
        if name in ("rag_audit_lines", "rag_audit_head") and rest:
            replica, _, value = rest.partition('"} ')
            values.setdefault(replica, {})[name] = int(float(value))
    return [
        Anchor(replica, both["rag_audit_lines"], f"{both['rag_audit_head']:0{HEAD_DIGITS}x}")
        for replica, both in values.items()
        if len(both) == 2
    ]


def _next(chain: Chain, line: dict[str, object], number: int) -> str | None:
    """Take in one line, or return why it does not fit."""
    given = line.pop("hash", None)
    if line.get("n") != chain.lines + 1:
        return f"line {chain.lines + 1} is missing: line {number} of the file is {line.get('n')}"
    if line.get("prev") != chain.head:
        return f"line {chain.lines} was changed: line {number} of the file follows another one"
    written = json.dumps(line, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    if hashlib.sha256(written.encode()).hexdigest() != given:
        return f"line {line['n']} was changed (line {number} of the file)"
    chain.lines += 1
    chain.head = str(given)
    chain.hashes.append(chain.head)
    if isinstance(head := line.get("follows"), str):
        chain.follows.append(head)
    return None


def _anchor(text: str) -> Anchor:
    replica, lines, head = text.split()
    return Anchor(replica, int(lines), head)
