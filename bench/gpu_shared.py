"""Three programs on one GPU without memory isolation, as time slicing puts them: who fails.

`python3 bench/gpu_shared.py FILE`: the standard library and libcuda, nothing else. A fourth program
holds what a card of 24 or 48 GB would not have; the three allocate and touch what the guide's
worked examples give to each model (docs/guides/plan.md), and nothing computes.
"""

import ctypes
import json
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

DRIVER_MIB = 480  # that nvidia-smi calls reserved
RETRIEVER_MIB = 3686  # 3.6 GiB
STEP_MIB = 256
# MiB by nvidia-smi, and the part of it that the guide gives to the language model
CARDS = {"L4": (23034, 0.57), "L40S": (46068, 0.73)}
GREEDY = 0.9  # what vLLM takes unless it is told otherwise


def hold() -> None:
    """Allocate as many MiB as each line of stdin says; answer with error, free and total MiB."""
    driver, context = ctypes.CDLL("libcuda.so.1"), ctypes.c_void_p()
    if driver.cuInit(0) or driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), 0):
        sys.exit("no context")
    driver.cuCtxSetCurrent(context)
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    for line in sys.stdin:
        size, place, error = int(line) << 20, ctypes.c_void_p(), 0
        if size:
            error = driver.cuMemAlloc_v2(ctypes.byref(place), ctypes.c_size_t(size))
        if size and not error:
            driver.cuMemsetD8_v2(place, 0, ctypes.c_size_t(size))
            driver.cuCtxSynchronize()
        driver.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total))
        print(json.dumps([error, free.value >> 20, total.value >> 20]), flush=True)


class Holder:
    """One program on the GPU."""

    def __init__(self) -> None:
        command = [sys.executable, __file__, "hold"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def take(self, mib: int) -> tuple[int, int]:
        """Return CUDA's error, 0 for none and 2 for no memory, and the MiB that are free then."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{mib}\n")
        self._process.stdin.flush()
        error, free, _ = json.loads(self._process.stdout.readline())
        return int(error), int(free)


def shared(card_mib: int, llm_mib: int, order: list[str], *, grow: bool = False) -> dict[str, Any]:
    """Let the models allocate in an order; `grow`: the language model then takes what is left."""
    found: dict[str, Any] = {}
    holders: dict[str, Holder] = {}
    with ExitStack() as running:
        ballast = running.enter_context(Holder())
        ballast.take(ballast.take(0)[1] - card_mib)
        free = found["free"] = ballast.take(0)[1]
        for name in order:
            # only now, because its context takes memory too
            holders[name] = holder = running.enter_context(Holder())
            with_context = holder.take(0)[1]
            error, left = holder.take(llm_mib if name == "llm" else RETRIEVER_MIB)
            found[name] = {"context": free - with_context, "error": error, "free": left}
            free = left
        if grow:
            grown = 0
            while holders["llm"].take(STEP_MIB)[0] == 0:
                grown += STEP_MIB
            asked = holders["embedding"].take(STEP_MIB)[0]
            found |= {"llm grew": grown, f"embedding asks {STEP_MIB} more: error": asked}
    return found


def main(target: Path) -> None:
    small_first, llm_first = ["embedding", "ranking", "llm"], ["llm", "embedding", "ranking"]
    report: dict[str, Any] = {}
    for card, (whole, share) in CARDS.items():
        usable = whole - DRIVER_MIB
        planned = int(share * usable)
        report[card] = {
            "as planned": shared(usable, planned, small_first),
            "language model first, at 0.9": shared(usable, int(GREEDY * usable), llm_first),
            "language model grows": shared(usable, planned, small_first, grow=True),
        }
    target.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    hold() if sys.argv[1] == "hold" else main(Path(sys.argv[1]))
