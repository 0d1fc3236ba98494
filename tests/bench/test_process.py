"""CPU time of processes is what they used, to a part of a tick."""

import subprocess
import sys

import pytest

from bench.engine.process import TICKS, cpu_seconds

# uses some time itself and some in a child that it waits for, and tells how much
WORKER = """
import resource, subprocess, sys, time
BURN = "import time\\nwhile time.process_time() < {}: pass"
subprocess.run([sys.executable, "-c", BURN.format(0.12)], check=True)
while time.process_time() < 0.08: pass
ended = resource.getrusage(resource.RUSAGE_CHILDREN)
print(time.process_time(), ended.ru_utime + ended.ru_stime, flush=True)
sys.stdin.read()
"""


def test_the_time_of_threads_and_ended_children_counts() -> None:
    command = [sys.executable, "-c", WORKER]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as worker:
        assert worker.stdout is not None
        own, children = map(float, worker.stdout.readline().split())

        counted = cpu_seconds(worker.pid)
        worker.communicate()

    assert own > 0.08
    assert children > 0.1
    assert counted == pytest.approx(own + children, abs=2 / TICKS + 0.02)


def test_a_process_that_is_gone_has_none() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()

    assert cpu_seconds(gone.pid) == 0
