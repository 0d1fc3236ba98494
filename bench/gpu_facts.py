"""What a real NVIDIA GPU says about its memory and its bus, as JSON on stdout or in a file.

`python3 bench/gpu_facts.py [FILE]`: the standard library, nvidia-smi and libcuda, nothing else;
torch only where it is already there. The planner's usable memory and load times are compared
with this file (tests/stackyard/planner/test_device.py).
"""

import ctypes
import importlib.util
import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

MIB = 2**20
GIB = 2**30
FIELDS = (
    "name,driver_version,compute_cap,memory.total,memory.reserved,memory.used,memory.free,"
    "mig.mode.current,persistence_mode,pcie.link.gen.current,pcie.link.width.current"
)
CAPABILITY_MAJOR, CAPABILITY_MINOR = 75, 76  # CUdevice_attribute
COPY_BYTES = 512 * MIB
REPEATS = 5


class CudaError(Exception):
    """A call of libcuda that did not return 0."""


class Driver:
    """libcuda, with every non-zero return raised."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL("libcuda.so.1")

    def __call__(self, function: str, *arguments: Any) -> None:
        code = getattr(self._library, function)(*arguments)
        if code:
            name = ctypes.c_char_p()
            self._library.cuGetErrorName(code, ctypes.byref(name))
            message = f"{function} returned {code} ({(name.value or b'?').decode()})"
            raise CudaError(message)


def smi(query: str = FIELDS) -> list[dict[str, str]]:
    """Return nvidia-smi's answer, one mapping for each GPU; memory in MiB."""
    command = ["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader,nounits"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    names = query.split(",")
    return [
        dict(zip(names, map(str.strip, line.split(",")), strict=True))
        for line in done.stdout.strip().splitlines()
    ]


def used_mib() -> int:
    return int(smi("memory.used")[0]["memory.used"])


def memory_info(cuda: Driver) -> tuple[int, int]:
    """Return free and total bytes of the current context's device."""
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    cuda("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
    return free.value, total.value


def largest_allocation(cuda: Driver, free: int) -> int:
    """Return the bytes of the largest single cuMemAlloc that succeeds, to 2 MiB."""
    low, high = 0, free // (2 * MIB) + 1  # in pages of 2 MiB; high does not fit
    while high - low > 1:
        middle = (low + high) // 2
        pointer = ctypes.c_uint64()
        try:
            cuda("cuMemAlloc_v2", ctypes.byref(pointer), ctypes.c_size_t(middle * 2 * MIB))
        except CudaError:
            high = middle
            continue
        cuda("cuMemFree_v2", pointer)
        low = middle
    return low * 2 * MIB


def best_rate(action: Callable[[], None]) -> float:
    """Return the bytes a second of the fastest of a few copies of COPY_BYTES."""
    action()  # the first one sets up what the others use
    seconds = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - begin)
    return COPY_BYTES / min(seconds)


def bandwidth(cuda: Driver) -> dict[str, float]:
    """Return bytes a second: host to device from pageable and pinned memory, and on the device."""
    size = ctypes.c_size_t(COPY_BYTES)
    device, other, pinned = ctypes.c_uint64(), ctypes.c_uint64(), ctypes.c_void_p()
    cuda("cuMemAlloc_v2", ctypes.byref(device), size)
    cuda("cuMemAlloc_v2", ctypes.byref(other), size)
    cuda("cuMemAllocHost_v2", ctypes.byref(pinned), size)
    pageable = ctypes.create_string_buffer(COPY_BYTES)
    ctypes.memset(pinned, 1, COPY_BYTES)

    def on_the_device() -> None:
        cuda("cuMemcpyDtoD_v2", device, other, size)
        cuda("cuCtxSynchronize")

    rates = {
        "host_to_device_pageable": best_rate(
            lambda: cuda("cuMemcpyHtoD_v2", device, pageable, size)
        ),
        "host_to_device_pinned": best_rate(lambda: cuda("cuMemcpyHtoD_v2", device, pinned, size)),
        "on_device_copy": best_rate(on_the_device),  # read and written: twice this on the memory
    }
    cuda("cuMemFreeHost", pinned)
    cuda("cuMemFree_v2", other)
    cuda("cuMemFree_v2", device)
    return rates


def device_facts() -> dict[str, object]:
    """Return what one CUDA context costs, what it can allocate, and how fast the bus is."""
    cuda = Driver()
    before = used_mib()
    cuda("cuInit", 0)
    device, context, version = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_int()
    cuda("cuDeviceGet", ctypes.byref(device), 0)
    cuda("cuDriverGetVersion", ctypes.byref(version))
    total = ctypes.c_size_t()
    cuda("cuDeviceTotalMem_v2", ctypes.byref(total), device)
    capability = [ctypes.c_int(), ctypes.c_int()]
    for value, attribute in zip(capability, (CAPABILITY_MAJOR, CAPABILITY_MINOR), strict=True):
        cuda("cuDeviceGetAttribute", ctypes.byref(value), attribute, device)
    # the primary context is what every CUDA runtime program, vLLM among them, lives in
    cuda("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
    cuda("cuCtxSetCurrent", context)
    free, seen = memory_info(cuda)
    after = used_mib()
    largest = largest_allocation(cuda, free)
    rates = bandwidth(cuda)
    cuda("cuDevicePrimaryCtxRelease_v2", device)
    return {
        "cuda_version": f"{version.value // 1000}.{version.value % 1000 // 10}",
        "compute_capability": ".".join(str(each.value) for each in capability),
        "total_bytes": total.value,
        "total_bytes_in_context": seen,
        "free_bytes_in_context": free,
        "used_mib_before_context": before,
        "used_mib_with_context": after,
        "context_bytes": (after - before) * MIB,
        "largest_allocation_bytes": largest,
        "bytes_per_second": {name: round(rate) for name, rate in rates.items()},
    }


def torch_facts() -> dict[str, object] | None:
    """Return what torch's context and libraries take after one matrix product; None without it."""
    if importlib.util.find_spec("torch") is None:
        return None
    program = (
        "import json, torch; a = torch.ones(1024, 1024, device='cuda', dtype=torch.bfloat16);"
        "b = (a @ a).sum().item(); free, total = torch.cuda.mem_get_info();"
        "held = torch.cuda.memory_reserved();"
        "print(json.dumps({'version': torch.__version__, 'free_bytes': free,"
        " 'total_bytes': total, 'allocator_bytes': held,"
        " 'outside_allocator_bytes': total - free - held}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    if done.returncode:
        return {"error": done.stderr.strip().splitlines()[-1:]}
    return dict(json.loads(done.stdout))


def collect() -> dict[str, object]:
    """Return all facts; a part that cannot be had says why in its place."""
    facts: dict[str, object] = {
        "taken": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "kernel": platform.release(),
        "nvidia_smi": smi(),
    }
    try:
        facts["cuda"] = device_facts()
    except (OSError, CudaError) as error:
        facts["cuda"] = {"error": str(error)}
    facts["torch"] = torch_facts()
    return facts


def main() -> int:
    try:
        facts = collect()
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"no GPU answers here: {error}\nhint: run it where nvidia-smi works", file=sys.stderr)
        return 1
    text = json.dumps(facts, indent=2) + "\n"
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(text)
    print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
