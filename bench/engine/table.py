"""The table of ratios: one row a server, each figure beside its ratio to the hand-written chain."""

import math
from collections.abc import Callable, Mapping, Sequence

from rich.table import Table

Row = Mapping[str, object]  # a window as the JSON keeps it

NAMES = {
    "stackyard": "stackyard",
    "handwritten": "hand-written",
    "langchain": "LangChain",
    "llamaindex": "LlamaIndex",
    "haystack": "stock Haystack",
}
COLUMNS = (
    "server",
    "queries/s",
    "x",
    "CPU ms/query",
    "x",
    "streams/s",
    "x",
    "p95 added ms, c=1",
    "c=32",
    "first text ms, c=1",
    "chunks/s",
    "x",
)


def rows(kept: Mapping[str, object]) -> list[list[str]]:
    """Return the cells of the table from a record of bench/results; a void reading is empty."""
    windows = _list(kept["windows"])
    ingestions = _list(kept["ingestions"])
    ideal = float(str(kept["ideal_ms"]))
    servers = [name for name in NAMES if any(row["server"] == name for row in windows)]

    def read(server: str, what: str, member: str) -> float:
        return _median(
            row[member]
            for row in windows
            if (row["server"], row["what"], row["void"]) == (server, what, False)
        )

    def chunks(server: str) -> float:
        return _median(
            row["per_second"]
            for row in ingestions
            if (row["server"], row["void"]) == (server, False)
        )

    def added(server: str, what: str) -> str:
        return _cell(1000 * read(server, what, "p95") - ideal)

    def pair(find: Callable[[str], float], server: str) -> list[str]:
        mine, other = find(server), find("handwritten")
        return [_cell(mine), _cell(mine / other if other else math.nan)]

    return [
        [
            NAMES[server],
            *pair(lambda name: read(name, "query", "per_second"), server),
            *pair(lambda name: read(name, "query 8", "cpu_ms"), server),
            *pair(lambda name: read(name, "stream", "per_second"), server),
            added(server, "query 1"),
            added(server, "query 32"),
            _cell(1000 * read(server, "stream 1", "first_text_p50")),
            *pair(chunks, server),
        ]
        for server in servers
    ]


def table(kept: Mapping[str, object]) -> Table:
    made = Table(title="one core each, all in one run; x is the ratio to the hand-written chain")
    for column in COLUMNS:
        made.add_column(column, justify="left" if column == "server" else "right")
    for row in rows(kept):
        made.add_row(*row)
    return made


def _median(values: object) -> float:
    assert hasattr(values, "__iter__")
    found = sorted(float(value) for value in values if isinstance(value, (int, float)))
    if not found:
        return math.nan
    middle = len(found) // 2
    return found[middle] if len(found) % 2 else (found[middle - 1] + found[middle]) / 2


def _cell(value: float) -> str:
    if math.isnan(value):
        return ""
    return (
        f"{value:.0f}"
        if abs(value) >= 100
        else f"{value:.1f}"
        if abs(value) >= 10
        else f"{value:.2f}"
    )


def _list(found: object) -> Sequence[Row]:
    assert isinstance(found, list)
    return found
