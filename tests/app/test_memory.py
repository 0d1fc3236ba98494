"""What the app does not load, and what it gives back."""

import subprocess
import sys
from pathlib import Path

from pydantic import BaseModel

from app.memory import give_back

# A model with a reference to one behind it is rebuilt by pydantic when it is used.
LOAD = """
from app.memory import leave_out_telemetry, load_store_client
from app.settings import prepare_frameworks

leave_out_telemetry()
load_store_client()
from qdrant_client.http import models
print(models.Filter.__pydantic_complete__)
prepare_frameworks()
import app.running
import sys
print(*sorted({"cryptography", "jwt", "openai", "aiohttp", "posthog.client"} & sys.modules.keys()))
match = models.FieldCondition(key="page", match=models.MatchValue(value=1))
print(models.Filter(must=[match]).model_dump_json(exclude_none=True))
print(models.Filter.__pydantic_complete__)
"""


def test_clients_that_nobody_uses_are_not_loaded_and_models_are_built_when_used() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOAD], capture_output=True, text=True, check=True, timeout=120
    )

    assert done.stdout.splitlines() == [
        "False",
        "",
        '{"must":[{"key":"page","match":{"value":1}}]}',
        "True",
    ]


def test_pydantic_is_as_it_was_behind_the_import() -> None:
    from app.memory import load_store_client

    load_store_client()

    class Node(BaseModel):
        below: "list[Node]" = []

    assert "defer_build" not in BaseModel.model_config
    assert Node.model_validate({"below": [{}]}).below == [Node()]
    assert Node.model_rebuild.__self__ is Node  # type: ignore[attr-defined]


def test_memory_between_what_is_in_use_goes_back() -> None:
    # Nine in ten are freed; the tenth keeps the heap from shrinking by itself.
    held = [bytes(2**15) for _ in range(2000)]
    held = held[::10]
    before = resident_kib()

    give_back()

    assert before - resident_kib() > 30_000
    assert len(held) == 200


def resident_kib() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])
