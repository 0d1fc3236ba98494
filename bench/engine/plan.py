"""How long and how often is measured: the full run, and the quick one."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Seconds are those of one window; `rounds` go through all servers in turn."""

    rounds: int
    seconds: float  # at 128 questions in flight
    short: float  # at 1, 8 and 32
    longest: float  # for a server that is slow to answer as many as are in flight
    slow_concurrency: int  # for stock Haystack and LlamaIndex, which need tens of seconds for 128
    all_peers: bool  # in every measurement, instead of the fast ones only
    chunks: int
    stock_chunks: int  # for stock Haystack
    pdf_pages: int
    fault_seconds: float
    overload_seconds: float
    soak_questions: int
    answers_alone: bool = False  # without faults, overload, documents and soak


FULL = Plan(
    rounds=3,
    seconds=12,
    short=6,
    longest=40,
    slow_concurrency=128,
    all_peers=True,
    chunks=10_000,
    stock_chunks=2_000,
    pdf_pages=2_000,
    fault_seconds=60,
    overload_seconds=60,
    soak_questions=50_000,
)
# With a slow model: what a question takes has changed, and nothing else.
SLOW_MODEL = replace(FULL, rounds=2, answers_alone=True)
QUICK = Plan(
    rounds=1,
    seconds=4,
    short=2,
    longest=8,
    slow_concurrency=32,
    all_peers=False,
    chunks=2_500,
    stock_chunks=300,
    pdf_pages=200,
    fault_seconds=5,
    overload_seconds=5,
    soak_questions=0,
)
