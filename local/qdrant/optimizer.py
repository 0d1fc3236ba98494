"""Build a shard's indexes in a process of its own: the engine would hold up this one for long.

Measured at 12 000 points of 384 dimensions: 3 s in which no other thread of the process runs.
"""

import ctypes
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path
from threading import Event

import qdrant_edge as edge

from local.qdrant.files import sync_tree

LOG = logging.getLogger("local.qdrant")
PR_SET_PDEATHSIG = 1
NICENESS = 10


def optimized(shard: Path, stopping: Event) -> bool:
    """Optimize the shard at a path; False when it failed or the server stops."""
    command = [sys.executable, "-m", "local.qdrant.optimizer", str(shard)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
        while True:
            try:
                code = process.wait(timeout=0.2)
                break
            except subprocess.TimeoutExpired:
                if stopping.is_set():
                    process.kill()
                    return False
    if code:
        LOG.warning(
            "optimizing %s ended with status %s, searches stay slower until it works", shard, code
        )
    return code == 0


def main() -> None:
    # an orphan would work on a directory that the next server removes
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.nice(NICENESS)
    shard = edge.EdgeShard.load(sys.argv[1])
    shard.optimize()
    shard.flush()
    shard.close()
    # here, so that the server, which syncs again before it switches over, has little left to do
    sync_tree(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
