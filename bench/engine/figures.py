"""A run's outcome to named figures; what was measured in void windows is left out and named."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

from bench.engine.measure import CROWD, HAND, Ingestion, Outcome
from bench.engine.servers import OURS
from bench.engine.windows import Window, is_void, percentile, ratios
from bench.results import Figure, Figures, figure

COMPONENTS = 6  # of a question's pipeline: a span each
LABELS = {HAND: "handwritten", "langchain": "langchain", "haystack": "stock_haystack"}
LABELS |= {"llamaindex": "llamaindex"}


def figures(outcome: Outcome) -> tuple[Figures, list[str]]:
    """Return the figures, and the names of those that no valid window is left for."""
    named: dict[str, Figure] = {}
    named |= _rates(outcome) | _inside(outcome) | _latencies(outcome) | _memory(outcome)
    if outcome.ingestions:
        named |= _ingestion(outcome)
    if outcome.of("faults", OURS):
        named |= _resilience(outcome)
    for server, seconds in outcome.start_seconds.items():
        named[f"start_seconds_{LABELS.get(server, server)}"] = figure(seconds, "s")
    found = {name: each for name, each in named.items() if _is_number(each)}
    return found, sorted(named.keys() - found.keys())


def _rates(outcome: Outcome) -> Figures:
    def versus(
        what: str, other: str, read: Callable[[Window], float], their_what: str = ""
    ) -> Figure:
        return Figure(
            ratios(
                _read(outcome.of(what, OURS), read),
                _read(outcome.of(their_what or what, other), read),
            ),
            "x",
        )

    found: Figures = {}
    for server, label in _measured(LABELS, {each.server for each in outcome.windows}):
        found[f"queries_per_second_vs_{label}"] = versus("query", server, _rate)
        found[f"queries_per_second_{label}"] = Figure(
            _numbers(_read(outcome.of("query", server), _rate)), "1/s"
        )
    found["queries_per_second"] = Figure(_numbers(_read(outcome.of("query", OURS), _rate)), "1/s")
    found["cpu_per_query_vs_handwritten"] = versus("query 8", HAND, _cpu)
    found["cpu_per_query_c128_vs_handwritten"] = versus("query", HAND, _cpu)
    found["cpu_per_query"] = Figure(_numbers(_read(outcome.of("query 8", OURS), _cpu)), "ms")
    found["streams_per_second_vs_handwritten"] = versus("stream", HAND, _rate)
    found["chat_streams_per_second_vs_handwritten"] = versus("chat", HAND, _rate, "stream")
    found["queries_per_second_traced_vs_handwritten"] = versus("traced", HAND, _rate, "query")
    found["traced_components_arrived"] = Figure(
        [100 * spans / (COMPONENTS * asked) for spans, asked in outcome.spans if asked], "%"
    )
    for what, name in (("query", "queries"), ("stream", "streams")):
        crowded = versus(f"{what} {CROWD}", HAND, _rate)
        found[f"{name}_per_second_c{CROWD}_vs_handwritten"] = crowded
    found["streams_per_second"] = Figure(_numbers(_read(outcome.of("stream", OURS), _rate)), "1/s")
    return found


def _inside(outcome: Outcome) -> Figures:
    seen = outcome.inside
    if seen is None:
        return {}
    return {
        "in_process_vs_handwritten": Figure(ratios(seen.chain, seen.pipeline), "x"),
        "in_process_checked_vs_handwritten": Figure(ratios(seen.chain, seen.checked), "x"),
        "in_process_cpu": Figure(seen.pipeline, "ms"),
        "in_process_cpu_handwritten": Figure(seen.chain, "ms"),
    }


def _latencies(outcome: Outcome) -> Figures:
    def added(what: str) -> Figure:
        def read(seen: Window) -> float:
            return 1000 * (percentile(seen.latencies, 95) - outcome.delays.answer)

        return Figure(_numbers(_read(outcome.of(what, OURS), read)), "ms")

    def first(seen: Window) -> float:
        return 1000 * (percentile(seen.first_texts, 50) - outcome.delays.first_token)

    return {
        "added_p95_c1": added("query 1"),
        "added_p95_c32": added("query 32"),
        "first_token_above_ideal_c1": Figure(
            _numbers(_read(outcome.of("stream 1", OURS), first)), "ms"
        ),
    }


def _ingestion(outcome: Outcome) -> Figures:
    def rates(server: str) -> list[float]:
        rows = [each for each in outcome.ingestions if each.server == server]
        return [_chunk_rate(each) for each in rows]

    mine = rates(OURS)
    found = {
        f"chunks_per_second_vs_{label}": Figure(ratios(mine, rates(server)), "x")
        for server, label in _measured(LABELS, {each.server for each in outcome.ingestions})
    }
    found["chunks_per_second"] = Figure(_numbers(mine), "1/s")
    found["reingest_embedded"] = figure(outcome.reindexed, "texts")
    found["pdf_pages_vs_pdfium"] = Figure(ratios(outcome.pdf_ours, outcome.pdf_pdfium), "x")
    found["pdf_pages_per_second"] = Figure(outcome.pdf_ours, "1/s")
    return found


def _resilience(outcome: Outcome) -> Figures:
    def share(seen: Window) -> float:
        asked = len(seen.latencies) + seen.failed
        return 100 * len(seen.latencies) / asked if asked else math.nan

    def p95(seen: Window) -> float:
        return percentile(seen.latencies, 95)

    faulty = outcome.of("faults", OURS)
    healthy = Figure(_numbers(_read(outcome.of("query 32", OURS), p95)), "s")
    slowed = [p95(each) / healthy.value for each in faulty] if healthy.runs else []
    found = {
        "goodput_10_percent_faults": Figure(_numbers(_read(faulty, share)), "%"),
        "faults_p95_vs_healthy": Figure(_numbers(slowed), "x"),
    }
    return found | _overload(outcome)


def _overload(outcome: Outcome) -> Figures:
    seen = outcome.overload
    if seen is None:
        return {}
    read = {
        "goodput": (100 * seen.goodput, "% of peak"),
        "refused_p95": (1000 * seen.refused_p95, "ms"),
        "refused_with_retry_after": (100 * seen.with_retry_after, "%"),
        "broken": (seen.broken, "answers"),
        "recovery": (seen.recovery, "s"),
    }
    return {
        f"overload_{name}": Figure([] if is_void(outcome.overload_stub_busy) else [value], unit)
        for name, (value, unit) in read.items()
        if not math.isnan(value)  # where nobody was refused there is no time to refuse
    }


def _memory(outcome: Outcome) -> Figures:
    # Memory is what it is, however busy the stub was.
    busy = [each.peak_mib for each in outcome.of("query", OURS)]
    ingesting = [each.peak_mib for each in outcome.ingestions if each.server == OURS]
    found = {
        "memory_idle": figure(outcome.idle_mib[OURS], "MiB"),
        "memory_c128": Figure(busy, "MiB"),
    }
    if ingesting:
        found["memory_ingesting"] = Figure(ingesting, "MiB")
    if outcome.soak_mib is not None:
        before, after = outcome.soak_mib
        found["memory_growth_soak"] = figure(after - before, "MiB")
    return found


def _measured(labels: Mapping[str, str], servers: set[str]) -> list[tuple[str, str]]:
    return [(server, label) for server, label in labels.items() if server in servers]


def _rate(seen: Window) -> float:
    return seen.rate if seen.latencies else math.nan


def _cpu(seen: Window) -> float:
    return seen.cpu_milliseconds


def _chunk_rate(seen: Ingestion) -> float:
    if is_void(seen.stub_busy) or not seen.chunks:
        return math.nan
    return seen.chunks / seen.seconds


def _read(seen: Iterable[Window], read: Callable[[Window], float]) -> list[float]:
    """Return a reading a round; NaN keeps the place of a void window."""
    return [math.nan if each.void else read(each) for each in seen]


def _numbers(values: Sequence[float]) -> list[float]:
    return [value for value in values if not math.isnan(value)]


def _is_number(each: Figure) -> bool:
    return bool(each.runs) and math.isfinite(each.value)
