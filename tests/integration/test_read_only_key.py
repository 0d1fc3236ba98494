"""Questions go to Qdrant with the key that only reads; whoever has it changes no vector."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.fake_qdrant import FakeQdrant
from tests.app.process import AppProcess
from tests.fakes.nim import FakeNim

pytestmark = pytest.mark.integration
FULL, READ_ONLY = "full-key-0123456789", "read-only-key-0123456789"


@pytest.fixture
def guarded() -> Iterator[FakeQdrant]:
    with FakeQdrant() as fake:
        fake.api_key, fake.read_api_key = FULL, READ_ONLY
        yield fake


@pytest.mark.parametrize("engine", ["fast", "stock"])
def test_the_app_asks_with_one_key_and_indexes_with_the_other(
    tmp_path: Path, nim: FakeNim, guarded: FakeQdrant, engine: str
) -> None:
    environment = {"RAG_ENGINE": engine}
    for name, key in (("QDRANT_API_KEY", FULL), ("QDRANT_READ_API_KEY", READ_ONLY)):
        (tmp_path / name).write_text(key)
        environment[f"RAG_{name}_FILE"] = str(tmp_path / name)
    app = AppProcess(tmp_path, nim, guarded, environment=environment)
    try:
        app.start()
        job = app.indexed("rules.txt", b"Skates cost nine dollars at the pond.")
        guarded.used.clear()
        app.ask("What do skates cost?")
        asked = list(guarded.used)
        with app.client() as client:
            ready = client.get("/readyz").status_code
        guarded.used.clear()
        again = app.indexed("more.txt", b"The pond freezes in January.")
        wrote = {key for key, method, path in guarded.used if method == "PUT"}
    finally:
        app.stop()

    assert (job["status"], again["status"], ready) == ("done", "done", 200)
    queries = {key for key, _, path in asked if path.endswith("/points/query")}
    assert queries == {READ_ONLY}
    assert wrote == {FULL}
