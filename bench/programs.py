"""The Pulumi program by itself: the CPU of one preview, through the real engine on doubles."""

import os
import tempfile
import threading
from pathlib import Path

from bench.engine.process import TICKS, family
from bench.results import Figure, Figures
from tests.stacks.doubles.driver import Driver

RUNS = 3
SAMPLE = 0.05  # seconds between two looks: the last one misses no more than this


def measure_program(name: str) -> Figures:
    """Preview an example stack, a first one (which compiles Python's bytecode) not counted."""
    with tempfile.TemporaryDirectory(prefix="stackyard-bench-") as folder:
        driver = Driver(name, Path(folder))
        runs = [_preview(driver) for _ in range(1 + RUNS)][1:]
    return {f"pulumi preview of {name}, CPU of the program": Figure(runs, "s")}


def _preview(driver: Driver) -> float:
    seen: dict[int, float] = {}
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(SAMPLE):
            for pid in filter(_is_program, family(os.getpid())):
                seen[pid] = max(seen.get(pid, 0.0), _cpu(pid))

    watch = threading.Thread(target=look)
    watch.start()
    try:
        driver.pulumi("preview")
    finally:
        ended.set()
        watch.join()
    return max(seen.values())


def _is_program(pid: int) -> bool:
    try:
        return b"pulumi-language-python-exec" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def _cpu(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(value) for value in fields[11:13]) / TICKS
