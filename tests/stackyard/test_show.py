"""What a person sees of a stack: a line for each thing, nothing folded into another."""

import io

from rich.console import Console

from stackyard import show
from stackyard.replies import Json

FOUND: Json = {
    "stack": "dev",
    "ready": True,
    "ports": {"url": 20130, "api": 20131},
    "url": "http://127.0.0.1:20130",
    "missing": [],
    "documents": ["a.pdf", "b.md"],
    "pods": [
        {
            "namespace": "rag-dev",
            "name": "rag-1",
            "phase": "Running",
            "ready": "1/1",
            "restarts": 0,
        },
        {"namespace": "models-dev", "error": "no such namespace"},
    ],
    "inventory": [
        {"name": "app", "image": "localhost:20132/app@sha256:abc", "digest": "sha256:abc"}
    ],
}


def test_facts_pods_and_images_stand_apart() -> None:
    console = Console(width=100, record=True, file=io.StringIO())

    show.status(console, FOUND)

    shown = [" ".join(line.split()) for line in console.export_text().splitlines()]
    assert "│ ready │ yes │" in shown
    assert "│ ports │ url 20130 api 20131 │" in shown
    assert "│ rag-dev │ rag-1 │ Running │ 1/1 │ 0 │" in shown
    assert "│ app │ localhost:20132/app@sha256:abc │" in shown
    assert any(line.startswith("│ models-dev │ no such namespace") for line in shown)
    assert "{" not in "".join(shown)
