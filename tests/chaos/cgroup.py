"""A memory limit of the kernel's for some processes, as kubelet sets one for a container."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
# the newer hierarchy, and the older
FILES = {
    True: {"limit": "memory.max", "peak": "memory.peak", "events": "memory.events"},
    False: {
        "limit": "memory.limit_in_bytes",
        "peak": "memory.max_usage_in_bytes",
        "events": "memory.oom_control",
    },
}


class Cgroup:
    """One group; processes enter by writing 0 to `entrance`."""

    def __init__(self, folder: Path, *, unified: bool) -> None:
        self._folder = folder
        self._files = FILES[unified]
        self.entrance = folder / "cgroup.procs"

    def limit(self, size: int) -> None:
        (self._folder / self._files["limit"]).write_text(str(size))
        with suppress(OSError):  # a kernel without it has no swap to hide in
            (self._folder / "memory.swap.max").write_text("0")

    @property
    def peak(self) -> int:
        """Return the most bytes that were in use, those of files among them."""
        return int((self._folder / self._files["peak"]).read_text())

    @property
    def killed(self) -> int:
        """Return how many processes the kernel has killed for want of memory."""
        lines = (self._folder / self._files["events"]).read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))

    def remove(self) -> None:
        """End what is left inside, and the group."""
        for pid in self.entrance.read_text().split():
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        for _ in range(100):
            with suppress(OSError):  # the last process is still on its way out
                self._folder.rmdir()
                return
            time.sleep(0.1)


@contextmanager
def memory_limited(size: int) -> Iterator[Cgroup]:
    """Make a group of so many bytes; raise OSError where this machine lets us make none."""
    unified = (ROOT / "cgroup.controllers").exists()
    folder = (ROOT if unified else ROOT / "memory") / f"stackyard-chaos-{os.getpid()}"
    folder.mkdir()
    group = Cgroup(folder, unified=unified)
    try:
        group.limit(size)
        yield group
    finally:
        group.remove()


def why_no_limit() -> str | None:
    """Return why no such group can be made here; None where it can."""
    try:
        with memory_limited(2**30) as group:
            return None if group.killed == 0 else "a new group has killed already"
    except OSError as error:
        return f"no memory limit can be set here ({error.strerror}): run it as root"
