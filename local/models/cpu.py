"""How many CPUs this process may really use."""

import math
import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def cpu_count(cgroup: Path = CGROUP) -> int:
    """Return the CPUs of the affinity mask, lowered to the container's quota."""
    allowed = len(os.sched_getaffinity(0))
    quota = _quota(cgroup)
    return allowed if quota is None else max(1, min(allowed, math.ceil(quota)))


def _quota(cgroup: Path) -> float | None:
    """Return the quota in CPUs, or None where nothing limits it."""
    v2 = cgroup / "cpu.max"
    if v2.is_file():
        limit, period = v2.read_text().split()
        return None if limit == "max" else int(limit) / int(period)
    v1 = cgroup / "cpu" / "cpu.cfs_quota_us"
    if v1.is_file():
        microseconds = int(v1.read_text())
        return None if microseconds <= 0 else microseconds / int(_period_v1(cgroup))
    return None


def _period_v1(cgroup: Path) -> str:
    return (cgroup / "cpu" / "cpu.cfs_period_us").read_text()
