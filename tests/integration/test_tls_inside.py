"""TLS between the app, the vector store and the models: what holds is answered, the rest refused.

The vector store is `python -m local.qdrant`, which stands in for Qdrant; the models are fakes.
"""

import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.app.fake_qdrant import FakeQdrant
from tests.app.process import AppProcess, until
from tests.fakes.authority import Authority, Pair
from tests.fakes.nim import FakeNim
from tests.local.qdrant.serving import Serving

pytestmark = pytest.mark.integration
ROLES = ("llm", "embedding", "ranking")


def show(context: ssl.SSLContext, pair: Pair) -> None:
    """Let a server show another certificate from its next connection on."""
    context.load_cert_chain(pair.certificate, pair.key)


@contextmanager
def site(
    folder: Path, ours: Authority, engine: str
) -> Iterator[tuple[AppProcess, dict[str, ssl.SSLContext]]]:
    """Serve a vector store, three models and an app that trusts who signs for them."""
    shown = {role: ours.pair(role).context() for role in ROLES}
    with ExitStack() as stack:
        nims = {role: stack.enter_context(FakeNim(tls=shown[role])) for role in ROLES}
        pair = ours.pair("qdrant")
        settings = {
            "QDRANT_EDGE_TLS_CERT_FILE": str(pair.certificate),
            "QDRANT_EDGE_TLS_KEY_FILE": str(pair.key),
        }
        store = Serving(folder / "vectors", settings, ca=ours.file)
        stack.callback(store.stop)
        store.start()
        environment = {
            "RAG_ENGINE": engine,
            "RAG_CA_FILE": str(ours.file),
            "RAG_QDRANT_URL": store.url,
            **{f"RAG_{role.upper()}_URL": nim.url for role, nim in nims.items()},
        }
        plain = stack.enter_context(FakeQdrant())  # whom nobody is to call
        app = AppProcess(folder, nims["llm"], plain, environment)
        stack.callback(lambda: app.stop())
        yield app.start(), shown


@pytest.mark.parametrize("engine", ["fast", "stock"])
def test_a_certificate_that_holds_is_answered_and_any_other_refused_with_its_reason(
    tmp_path: Path, engine: str
) -> None:
    ours, theirs = Authority(tmp_path / "ours"), Authority(tmp_path / "theirs")
    with site(tmp_path, ours, engine) as (app, shown), app.client() as client:
        job = app.indexed("rules.txt", b"Skates cost nine dollars at the pond.")
        answer = app.ask("What do skates cost?")
        ready = client.get("/readyz").json()
        show(shown["embedding"], ours.pair("embedding", days=-1))
        show(shown["llm"], ours.pair("llm", "llm.models-dev.svc"))
        show(shown["ranking"], theirs.pair("ranking"))

        def missing() -> dict[str, str] | None:
            found = client.get("/readyz").json()["missing"]
            return {each["name"]: each["reason"] for each in found}

        refused = until(missing)
        asked = client.post("/query/run", json={"question": "What do skates cost?"})
        for role in ROLES:
            show(shown[role], ours.pair(f"renewed-{role}"))
        again = until(lambda: client.get("/readyz").json()["ready"])

    assert job["status"] == "done"
    assert "nine dollars" in str(answer["answer"])
    assert ready == {"ready": True, "missing": []}
    assert refused == {
        "llm": "shows a certificate that is for another address",
        "embedding": "shows a certificate that has expired",
        "ranking": "shows a certificate that is signed by no authority that is trusted here",
    }
    assert asked.status_code == 503
    assert asked.json()["detail"] == (
        "embedding failed: embedding shows a certificate that has expired"
    )
    told = [line for line in app.output if "a certificate is refused" in line]
    assert len(told) == 3
    assert all("127.0.0.1:" in line and "RAG_CA_FILE" in line for line in told)
    assert again
