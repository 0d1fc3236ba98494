"""What a process uses and how busy a core is, as /proc counts it."""

import contextlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
MIB = 2**20
# which of its clocks: the time it ran, of all threads (CPUCLOCK_SCHED; clock_getcpuclockid(3))
SCHEDULED = 2


@dataclass(frozen=True)
class Cores:
    """The core of the system under test, and the one of everything else."""

    subject: int
    rest: int


def two_cores() -> Cores:
    """Return two cores that this process may use."""
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        message = (
            "one core is allowed to this process, two are needed: one for the system under test "
            "and one for stub services and load\nhint: taskset -c 0,1 make bench"
        )
        raise ValueError(message)
    return Cores(subject=allowed[-1], rest=allowed[-2])


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """Run the block, and the processes that it starts, on one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def family(pid: int) -> list[int]:
    """Return a process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        fields = _fields(stat)
        if fields:
            children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found = [pid]
    for each in found:
        found += children.get(each, [])
    return found


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process and its descendants, those that ended included.

    The clock of a process counts nanoseconds; of those that ended there are ticks of 10 ms.
    """
    return sum(_clock(each) + _ticks_of_ended_children(each) / TICKS for each in family(pid))


def _clock(pid: int) -> float:
    with contextlib.suppress(OSError):  # it is gone
        return time.clock_gettime((~pid << 3) | SCHEDULED)
    return 0.0


def _ticks_of_ended_children(pid: int) -> int:
    fields = _fields(Path(f"/proc/{pid}/stat"))
    return sum(int(value) for value in fields[13:15])


def memory_mib(pid: int) -> float:
    """Return the resident memory of one process."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / MIB


def core_times(core: int) -> tuple[int, int]:
    """Return the ticks in which a core was busy, and all of its ticks."""
    return parse_core(Path("/proc/stat").read_text(), core)


def busy_share(before: tuple[int, int], after: tuple[int, int]) -> float:
    """Return the share of a core's ticks in which it was busy."""
    return (after[0] - before[0]) / max(1, after[1] - before[1])


def parse_core(stat: str, core: int) -> tuple[int, int]:
    """Read busy and all ticks of a core out of /proc/stat's text; waiting for a disk is idle."""
    row = next(line.split() for line in stat.splitlines() if line.startswith(f"cpu{core} "))
    # guest time is part of user time already
    times = [int(value) for value in row[1:9]]
    idle = times[3] + times[4]
    return sum(times) - idle, sum(times)


def _fields(stat: Path) -> list[str]:
    """Return the fields behind the command's name; nothing for a process that is gone."""
    try:
        return stat.read_text().rpartition(")")[2].split()
    except OSError:
        return []
