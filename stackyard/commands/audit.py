"""`stackyard audit`: whether the audit log is whole, against what was kept outside of it."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from stackyard.auditing import Anchor, anchors_in, problems, read_chains
from stackyard.commands.options import KeyFile, MaybeStack, Url
from stackyard.errors import Trouble
from stackyard.progress import out
from stackyard.target import resolve


def head(stack: MaybeStack = None, url: Url = None, key_file: KeyFile = None) -> None:
    """Print how far the audit log is: keep it elsewhere, and give it to `audit verify --head`."""
    with resolve(stack, url, key_file).service() as service:
        for anchor in anchors_in(service.metrics()):
            print(f"{anchor.replica}:{anchor.lines}:{anchor.head}")


def verify(
    file: Annotated[Path, typer.Argument(help="The app's log as it was kept; - is stdin.")],
    heads: Annotated[
        list[str] | None,
        typer.Option("--head", help="What `audit head` printed at some time; repeat it."),
    ] = None,
    begins_later: Annotated[
        bool,
        typer.Option("--begins-later", help="The file lacks processes before its first one."),
    ] = False,
) -> None:
    """Check that no audit line of a log is missing, changed or moved."""
    if str(file) != "-" and not file.is_file():
        message = f"there is no file {str(file)!r}"
        raise Trouble(message, "stackyard logs app --tail 1000000 > app.log")
    kept = [_anchor(text) for text in heads or []]
    with sys.stdin if str(file) == "-" else file.open(encoding="utf-8", errors="replace") as lines:
        chains = read_chains(lines)
    found = problems(chains, kept, begins_later=begins_later)
    for chain in chains.values():
        out().print(f"{chain.replica}: {chain.lines} lines", markup=False, highlight=False)
    if found or not chains:
        what = "\n".join(found) or f"{file} holds no audit line"
        raise Trouble(what, "compare with the log system's own copy of that time")
    out().print("whole as far as these lines and heads tell", markup=False)


def _anchor(text: str) -> Anchor:
    replica, _, rest = text.partition(":")
    lines, _, digits = rest.partition(":")
    if not replica or not lines.isdigit() or not digits:
        message = f"--head is {text!r}: expected replica:lines:digits"
        raise Trouble(message, "stackyard audit head")
    return Anchor(replica, int(lines), digits)
