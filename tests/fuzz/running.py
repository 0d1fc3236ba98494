"""Runs inputs through a parser in processes that may die, and counts what comes of them.

The input of a number is always the same: seed, parser and number make it.
"""

import gc
import os
import random
import resource
import signal
import struct
import time
import traceback
import zlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from tests.fuzz.parser import Parser

BATCH = 200  # inputs of one process
SECONDS = 10.0  # of one input, on the clock: four times this is a busy machine's
MEMORY = 2**30  # beyond what the process has when it begins
_RECORD = struct.Struct("<IBd")  # number, outcome, seconds
TAKEN, REFUSED, RAISED = 0, 1, 2


class TooSlow(BaseException):
    """An input that took longer than it may."""


@dataclass
class Tally:
    """What came of a parser's inputs; `crashes` names each by number and cause."""

    inputs: int = 0
    taken: int = 0
    refused: int = 0
    raised: Counter[str] = field(default_factory=Counter)
    crashes: list[str] = field(default_factory=list)
    slowest: float = 0.0
    most_mb: int = 0

    @property
    def clean(self) -> bool:
        return not self.raised and not self.crashes


def input_of(parser: Parser, seed: int, number: int) -> bytes:
    """Return the input of a number."""
    return parser.made(random.Random(zlib.crc32(parser.name.encode()) ^ seed << 32 ^ number))


def fuzzed(parser: Parser, inputs: int, seed: int, folder: Path, begin: int = 0) -> Tally:
    """Run the inputs from `begin` on, in batches of one process each."""
    tally = Tally()
    number, end = begin, begin + inputs
    while number < end:
        number = _batch(parser, seed, range(number, min(number + BATCH, end)), folder, tally)
    return tally


def _batch(parser: Parser, seed: int, numbers: range, folder: Path, tally: Tally) -> int:
    """Fork, run, and return the number to go on with: behind the one that a process died of."""
    record, said = folder / "record", folder / "said"
    record.write_bytes(b"")
    said.write_text("")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            _run(parser, seed, numbers, record, said)
            code = 0
        except BaseException:
            said.write_text(traceback.format_exc())
        finally:
            os._exit(code)
    _, status, used = os.wait4(child, 0)
    tally.most_mb = max(tally.most_mb, used.ru_maxrss // 1024)
    raised = iter(said.read_text(errors="replace").splitlines())
    done = 0
    for _number, outcome, seconds in _RECORD.iter_unpack(record.read_bytes()):
        done += 1
        tally.inputs += 1
        tally.slowest = max(tally.slowest, seconds)
        tally.taken += outcome == TAKEN
        tally.refused += outcome == REFUSED
        if outcome == RAISED:
            tally.raised[next(raised, "?")] += 1
    if done == len(numbers):
        return numbers.stop
    tally.inputs += 1
    code = os.waitstatus_to_exitcode(status)
    why = f"signal {-code}" if code < 0 else (said.read_text().strip().splitlines() or ["?"])[-1]
    tally.crashes.append(f"{parser.name} {numbers[done]}: {why}")
    return numbers[done] + 1


def _run(parser: Parser, seed: int, numbers: range, record: Path, said: Path) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)  # what libraries say of broken files
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGALRM, _late)
    gc.disable()  # a batch is short, and a full collection costs more than an input
    with record.open("ab", buffering=0) as kept, said.open("a", buffering=1) as words:
        for number in numbers:
            data = input_of(parser, seed, number)
            began, outcome = time.process_time(), TAKEN
            signal.setitimer(signal.ITIMER_REAL, 4 * SECONDS)
            try:
                parser.run(data)
            except parser.refusals:
                outcome = REFUSED
            except Exception as error:
                outcome = RAISED
                words.write(f"{number} {_place(error)}\n")
            signal.setitimer(signal.ITIMER_REAL, 0)
            seconds = time.process_time() - began
            if seconds > SECONDS:
                raise TooSlow
            kept.write(_RECORD.pack(number, outcome, seconds))


def _late(_signal: int, _frame: FrameType | None) -> None:
    raise TooSlow


def _place(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {Path(last.filename).name}:{last.lineno}"
