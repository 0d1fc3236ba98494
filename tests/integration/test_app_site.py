"""A site's prompt, converter and pipeline in a running app, over real HTTP."""

from pathlib import Path
from typing import Any

import pytest

from tests.app.process import AppProcess
from tests.fakes.nim import FakeNim
from tests.integration.conftest import Maker
from tests.pipelines.test_site import CONVERTER, PIPELINE, folder

pytestmark = pytest.mark.integration


@pytest.fixture
def app(tmp_path: Path, make_app: Maker) -> AppProcess:
    prompt = "{% for passage in passages %}{{ passage }}\n{% endfor %}Question: {{ question }}"
    site = folder(
        tmp_path / "site",
        prompts__system_txt="Answer like a pirate.",
        prompts__answer_txt=prompt,
        converters__logs_py=CONVERTER,
        pipelines__say_yaml=PIPELINE,
    )
    return make_app(environment={"RAG_SITE_DIR": str(site)})


def test_what_a_site_brings_is_used(app: AppProcess, nim: FakeNim) -> None:
    job = app.indexed("x.log", b"the capital of freedonia is marxville.")
    answer = app.ask("What is the capital of Freedonia?")
    with app.client() as client:
        said = client.post("/pipelines/say/run", json={"words": "hello"})
        unknown = client.post("/pipelines/none/run", json={"words": "hello"})
        invalid = client.post("/pipelines/say/run", json={"text": "hello"})

    asked: Any = nim.posts("/chat/completions")[-1].body
    assert job["status"] == "done"
    assert answer["answer"] == "THE CAPITAL OF FREEDONIA IS MARXVILLE."
    assert asked["messages"][0]["content"].startswith("Answer like a pirate.\n")
    assert said.json() == {"said": "Translate hello"}
    assert (unknown.status_code, invalid.status_code) == (404, 422)
    assert "exactly ['words']" in invalid.json()["detail"]
