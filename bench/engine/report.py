"""What a run leaves behind: the table, latest.json and the plots."""

import math
from collections.abc import Mapping

from rich.console import Console

from bench.engine.figures import figures
from bench.engine.measure import Outcome
from bench.engine.plot import bars
from bench.engine.sameness import EXPECTED
from bench.engine.stub import Delays
from bench.engine.table import COLUMNS, NAMES, rows, table
from bench.engine.windows import as_row, is_void
from bench.results import RESULTS, keep, record, show

NAME = "latest"
END_TO_END = "end-to-end"  # with a language model as slow as a real one
# file name -> title, column of the table, unit
PLOTS = {
    "queries": ("Answers per second and core", 1, "128 questions in flight"),
    "cpu": ("CPU time per answer", 3, "milliseconds"),
    "streams": ("Streamed answers per second and core", 5, "128 streams"),
    "chunks": ("Chunks ingested per second and core", 10, "2048 dimensions"),
}


def report(outcome: Outcome, console: Console) -> None:
    """Print and write everything of a run."""
    found, void = figures(outcome)
    kept = record(found, **evidence(outcome), void=void)
    console.print(table(kept))
    show("stackyard", found)
    for server, work in outcome.work.items():
        if work.chain != EXPECTED:
            console.print(f"[red]{server} did other work[/red]: {work}, not {EXPECTED}")
    for name in void:
        console.print(f"[yellow]void[/yellow] {name}")
    compared = outcome.delays == Delays()
    console.print(f"written: {keep(NAME if compared else END_TO_END, kept)}")
    if compared:
        draw(kept)


def evidence(outcome: Outcome) -> dict[str, object]:
    """Return what the figures were read off."""
    return {
        "ideal_ms": round(1000 * outcome.delays.answer, 1),
        "work": {
            server: {
                "same_chain": work.chain == EXPECTED,
                "prompt_passages": work.prompt_passages,
                "prompt_characters": work.prompt_characters,
            }
            for server, work in outcome.work.items()
        },
        "windows": [as_row(seen) for seen in outcome.windows if seen.what != "warm-up"],
        "ingestions": [
            {
                "server": seen.server,
                "chunks": seen.chunks,
                "per_second": round(seen.chunks / seen.seconds, 1),
                "stub_busy": round(seen.stub_busy, 3),
                "void": is_void(seen.stub_busy),
                "peak_mib": round(seen.peak_mib, 1),
            }
            for seen in outcome.ingestions
        ],
    }


def draw(kept: Mapping[str, object]) -> None:
    """Write a picture for each of PLOTS; one without a valid reading is not touched."""
    cells = rows(kept)
    short = {label: name for name, label in NAMES.items()}
    for file, (title, column, unit) in PLOTS.items():
        assert COLUMNS[column] != "x"
        values = {short[row[0]]: float(row[column] or math.nan) for row in cells}
        if not all(map(math.isnan, values.values())):
            (RESULTS / f"{file}.svg").write_text(bars(title, values, unit))
