"""What the process keeps of its memory, and how often the collector looks through it."""

import contextlib
import ctypes
import gc

# mallopt's number for the most arenas; more of them, one a thread, keep freed memory apart.
M_ARENA_MAX = -8
ARENAS = 2
# A question makes some hundred containers that live until it is answered: by default the collector
# goes through those of all questions under way again and again.
YOUNGEST = 10_000


def settle() -> None:
    """Put what was loaded out of the collector's sight, and give back what loading left over.

    A full collection walks 240,000 objects that never go away: 0.1 s in which nobody is answered.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNGEST, 20, 20)
    # glibc's own; elsewhere there is nothing to say.
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(M_ARENA_MAX, ARENAS)
        libc.malloc_trim(0)
