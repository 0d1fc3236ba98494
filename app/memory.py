"""What the process keeps of its memory, and how often the collector looks through it."""

import contextlib
import ctypes
import gc
import sys
from types import ModuleType
from typing import Any

from pydantic import BaseModel

# mallopt's number for the most arenas; more of them, one a thread, keep freed memory apart.
M_ARENA_MAX = -8
ARENAS = 2
# A question makes some hundred containers that live until it is answered: by default the collector
# goes through those of all questions under way again and again. 128 of them have 40,000; all but
# three of each go without the collector.
YOUNGEST = 100_000


def leave_out_telemetry() -> None:
    """Keep the client of Haystack's telemetry, which is off, out of the process: it takes 3 MB.

    Haystack imports it by name and uses it for nothing else.
    """
    sys.modules.setdefault("posthog", ModuleType("posthog"))


def load_store_client() -> None:
    """Import qdrant-client with its models unbuilt; pydantic builds one when it is first used.

    At its import it builds all 400 of them, which takes 15 MB and 0.4 s; a handful is used.
    """
    # As it is kept: what the attribute gives is bound to BaseModel, and of no use to others.
    rebuild = vars(BaseModel)["model_rebuild"]

    def later(*_: object, **__: object) -> Any:
        return None

    BaseModel.model_config["defer_build"] = True
    BaseModel.model_rebuild = classmethod(later)  # type: ignore[method-assign,assignment]
    try:
        import qdrant_client  # noqa: F401
    finally:
        del BaseModel.model_config["defer_build"]
        BaseModel.model_rebuild = rebuild  # type: ignore[method-assign]


def settle() -> None:
    """Put what was loaded out of the collector's sight, and give back what loading left over.

    A full collection walks 240,000 objects that never go away: 0.1 s in which nobody is answered.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNGEST, 20, 20)
    _glibc("mallopt", M_ARENA_MAX, ARENAS)
    give_back()


def give_back() -> None:
    """Give freed memory back to the kernel: glibc keeps what lies below something in use."""
    _glibc("malloc_trim", 0)


def _glibc(function: str, *given: int) -> None:
    # Its own functions; elsewhere there is nothing to say.
    with contextlib.suppress(OSError, AttributeError):
        getattr(ctypes.CDLL(None), function)(*given)
