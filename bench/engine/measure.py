"""The whole run: stub services, servers, rounds of windows."""

import asyncio
import math
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from bench.engine import content, reading
from bench.engine.environments import python_of
from bench.engine.inside import Inside, inside
from bench.engine.load import Request
from bench.engine.meter import metered, settled, window
from bench.engine.overload import Overload, overload
from bench.engine.plan import Plan
from bench.engine.process import Cores, memory_mib, on_core
from bench.engine.sameness import Work, work_of
from bench.engine.servers import ALL_PEERS, OURS, Server, ask_once, ours, peer, stub
from bench.engine.stub import Delays
from bench.engine.windows import Window, median, percentile

HAND = "handwritten"
FAST = (OURS, HAND, "langchain")
PAGES_PER_UPLOAD = 2500
CHUNK_CHARACTERS = 780  # about 130 words: one chunk for our splitter, which cuts at 140
# More than are ever in flight here: what it refuses beyond that is measured by itself.
CONCURRENCY = {"RAG_MAX_CONCURRENCY": "512"}
# So many that the answers' own time is no bound: only the core is.
CROWD = 256
FAULTS = 0.1
EXPORT_SECONDS = 6.0  # until what was traced has been sent

Tell = Callable[[str], None]


@dataclass
class Ingestion:
    """One upload of many chunks."""

    server: str
    chunks: int
    seconds: float
    stub_busy: float
    peak_mib: float


@dataclass
class Outcome:
    """Everything that a run saw."""

    delays: Delays = field(default_factory=Delays)
    windows: list[Window] = field(default_factory=list)
    ingestions: list[Ingestion] = field(default_factory=list)
    work: dict[str, Work] = field(default_factory=dict)
    start_seconds: dict[str, float] = field(default_factory=dict)
    idle_mib: dict[str, float] = field(default_factory=dict)
    pdf_ours: list[float] = field(default_factory=list)
    pdf_pdfium: list[float] = field(default_factory=list)
    reindexed: int = 0  # texts embedded for a document that was there already
    overload: Overload | None = None
    overload_stub_busy: float = 0.0
    soak_mib: tuple[float, float] | None = None
    # component spans that the collector got, and questions asked of the server that sends them
    spans: list[tuple[int, int]] = field(default_factory=list)
    inside: Inside | None = None

    def of(self, what: str, server: str) -> list[Window]:
        return [each for each in self.windows if each.what == what and each.server == server]


async def measure(plan: Plan, cores: Cores, tell: Tell, delays: Delays) -> Outcome:
    """Run everything; this process is the load and must be on the core of the rest."""
    outcome = Outcome(delays)
    for name in ("pdfium", *(each.name for each in ALL_PEERS)):
        tell(f"environment of {name}")
        await asyncio.to_thread(python_of, name)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stackyard-bench-")))
        stub_url = stack.enter_context(stub(cores.rest, delays))
        servers = []
        settings = {**CONCURRENCY, "RAG_TRACES_URL": f"{stub_url}/v1/traces"}
        tell(f"start of {OURS}, traced")
        traced = stack.enter_context(ours(cores.subject, stub_url, folder / "traced", **settings))
        tell(f"start of {OURS}")
        servers.append(
            stack.enter_context(ours(cores.subject, stub_url, folder / OURS, **CONCURRENCY))
        )
        for each in ALL_PEERS:
            tell(f"start of {each.name}")
            log = folder / f"{each.name}.log"
            servers.append(stack.enter_context(peer(each, cores.subject, stub_url, log)))
        run = _Run(plan, cores, tell, outcome, stub_url, servers, traced, folder)
        await run.all()
    return outcome


@dataclass
class _Run:
    plan: Plan
    cores: Cores
    tell: Tell
    outcome: Outcome
    stub_url: str
    servers: Sequence[Server]
    traced: Server  # ours, with a span for each component of every question
    folder: Path

    async def all(self) -> None:
        for server in self.servers:
            self.outcome.start_seconds[server.name] = server.start_seconds
            await self._warm(server)
            self.outcome.idle_mib[server.name] = memory_mib(server.pid)
        await self._warm(self.traced)
        self._same_work()
        plan, some = self.plan, self._some()
        for _ in range(plan.rounds):
            for server in self.servers:
                slow = server.name not in FAST
                await self._window(
                    server,
                    "query",
                    server.query,
                    plan.slow_concurrency if slow else 128,
                    plan.seconds,
                )
            await self._traced()
            for server in some:
                await self._window(server, "stream", server.stream, 128, plan.seconds)
                if server.chat is not None:
                    await self._window(server, "chat", server.chat, 128, plan.seconds)
            for concurrency in (8, 1, 32):
                for server in some:
                    what = f"query {concurrency}"
                    await self._window(server, what, server.query, concurrency, plan.short)
            for server in some:
                await self._window(server, "stream 1", server.stream, 1, plan.short)
        await self._inside()
        if not plan.answers_alone:
            await self._further()
        # last, for what they leave in memory
        for _ in range(plan.rounds):
            await self._crowds()

    async def _further(self) -> None:
        mine, plan = self.servers[0], self.plan
        await self._faults(mine)
        if plan.soak_questions:
            await self._soak(mine)
        for number in range(plan.rounds):
            for server in self.servers:
                await self._ingest(server, number)
        await self._pdf()
        await self._overload()

    def _some(self) -> list[Server]:
        return [each for each in self.servers if self.plan.all_peers or each.name in FAST]

    async def _window(
        self, server: Server, what: str, request: Request, concurrency: int, seconds: float
    ) -> Window:
        self.tell(f"{server.name}: {what}, {concurrency} in flight")
        seen = await window(
            server,
            what,
            request,
            self.cores,
            concurrency=concurrency,
            seconds=seconds,
            longest=max(seconds, self.plan.longest),
        )
        self.outcome.windows.append(seen)
        return seen

    async def _crowds(self) -> None:
        for server in self.servers:
            if server.name not in (OURS, HAND):
                continue
            for what, request in (("query", server.query), ("stream", server.stream)):
                await self._window(server, f"{what} {CROWD}", request, CROWD, self.plan.seconds)

    async def _traced(self) -> None:
        before = self._count("components"), self._count("/v1/ranking")
        await self._window(self.traced, "traced", self.traced.query, 128, self.plan.seconds)
        await asyncio.sleep(EXPORT_SECONDS)
        after = self._count("components"), self._count("/v1/ranking")
        self.outcome.spans.append((after[0] - before[0], after[1] - before[1]))

    async def _inside(self) -> None:
        self.tell("one process")
        plan = self.plan
        self.outcome.inside = await asyncio.to_thread(
            inside, self.stub_url, self.cores, plan.rounds, plan.short
        )

    async def _warm(self, server: Server) -> None:
        self.tell(f"{server.name}: warm-up")
        await window(
            server, "warm-up", server.query, self.cores, concurrency=8, seconds=1, longest=2
        )

    def _same_work(self) -> None:
        """Let every server answer one question, and keep what the stub received for it."""
        with httpx.Client(base_url=self.stub_url, trust_env=False) as control:
            for server in self.servers:
                control.post("/stub/record", content=b"on")
                ask_once(server).raise_for_status()
                recorded = control.get("/stub/recorded").json()
                control.post("/stub/record", content=b"off")
                self.outcome.work[server.name] = work_of(recorded)

    async def _faults(self, server: Server) -> None:
        with httpx.Client(base_url=self.stub_url, trust_env=False) as control:
            control.post("/stub/failing", content=str(FAULTS).encode())
            await self._window(server, "faults", server.query, 32, self.plan.fault_seconds)
            control.post("/stub/failing", content=b"0")

    async def _soak(self, server: Server) -> None:
        before = memory_mib(server.pid)
        rate = median([each.rate for each in self.outcome.of("query", server.name)])
        await self._window(server, "soak", server.query, 128, self.plan.soak_questions / rate)
        self.outcome.soak_mib = (before, memory_mib(server.pid))

    async def _ingest(self, server: Server, number: int) -> None:
        if not (self.plan.all_peers or server.name in FAST or server.name == "haystack"):
            return
        self.tell(f"{server.name}: ingestion")
        wanted = self.plan.stock_chunks if server.name == "haystack" else self.plan.chunks
        texts = uploads(wanted, first=1_000_000 * (number + 1))
        before = self._count("points")
        async with metered(server, self.cores) as use:
            start = time.perf_counter()
            for text in texts:
                await asyncio.to_thread(server.ingest, text)
            seconds = time.perf_counter() - start
        written = self._count("points") - before
        self.outcome.ingestions.append(
            Ingestion(server.name, written, seconds, use.stub_busy, use.peak_mib)
        )
        if server.name == OURS:
            before = self._count("embedded")
            await asyncio.to_thread(server.ingest, texts[-1])
            self.outcome.reindexed = self._count("embedded") - before
        await settled(server, self.plan.longest)

    async def _pdf(self) -> None:
        paths = reading.corpus(self.folder, self.plan.pdf_pages)
        for _ in range(self.plan.rounds):
            self.tell("PDF pages")
            core = self.cores.subject
            theirs = await asyncio.to_thread(reading.pdfium, paths, core)
            mine = await asyncio.to_thread(reading.ours, paths, core)
            self.outcome.pdf_pdfium.append(theirs)
            self.outcome.pdf_ours.append(mine)

    async def _overload(self) -> None:
        """Use a server with serve's own limits, not with the wide ones of the windows."""
        self.tell("overload")
        peak = median([each.rate for each in self.outcome.of("query", OURS)])
        healthy = median(
            [percentile(each.latencies, 50) for each in self.outcome.of("query 1", OURS)]
        )
        if not peak or math.isnan(healthy):
            return
        with ours(self.cores.subject, self.stub_url, self.folder / "limited") as server:
            await self._warm(server)
            async with metered(server, self.cores) as use:
                self.outcome.overload = await overload(
                    server, peak=peak, healthy=healthy, seconds=self.plan.overload_seconds
                )
            self.outcome.overload_stub_busy = use.stub_busy

    def _count(self, name: str) -> int:
        counts = httpx.get(f"{self.stub_url}/stub/counts", trust_env=False).json()
        return int(counts.get(name, 0))


def uploads(chunks: int, first: int) -> list[str]:
    """Return texts that no round before had, with a page for each chunk."""
    pages = [content.page(first + number, characters=CHUNK_CHARACTERS) for number in range(chunks)]
    return [
        "\f".join(pages[start : start + PAGES_PER_UPLOAD])
        for start in range(0, chunks, PAGES_PER_UPLOAD)
    ]


def run(plan: Plan, cores: Cores, tell: Tell, delays: Delays) -> Outcome:
    """Measure from this process, on the core of the rest."""
    import uvloop

    with on_core(cores.rest):
        return uvloop.run(measure(plan, cores, tell, delays))
