"""A pipeline of 2024 in today's words: what is changed, what is told, what is refused."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from stackyard.cli import app
from stackyard.errors import Trouble
from stackyard.migration import migrate

ROOT = Path(__file__).parents[2]
SEED = ROOT / "examples" / "rag-2024.yaml"


@pytest.fixture
def seed() -> Any:
    return yaml.safe_load(SEED.read_text())


def test_each_change_has_its_note(seed: Any) -> None:
    done = migrate(seed)

    assert done.notes == [
        "embedder.api_url: https://ai.api.nvidia.com/v1/retrieval/snowflake/arctic-embed-l"
        " became https://integrate.api.nvidia.com/v1",
        "retriever.document_store: dropped content_field, duplicate_documents, embedding_field,"
        " init_from, name_field, which are gone",
        "generator: NvidiaGenerator is gone, NvidiaChatGenerator takes its place",
        "generator: api_url is called api_base_url",
        "generator: model_arguments is called generation_kwargs",
        "generator: bad went into extra_body",
        "generator.prompt is called generator.messages",
        "max_loops_allowed is called max_runs_per_component",
        "inputs and outputs, which Hayhooks asks for: question is"
        " ['embedder.text', 'prompt.query']",
    ]
    assert done.pipeline["components"]["generator"]["init_parameters"]["generation_kwargs"] == {
        "max_tokens": 1024,
        "extra_body": {"bad": ["tedious"]},
    }


def test_what_is_migrated_already_stays_as_it_is(seed: Any) -> None:
    once = migrate(seed)

    twice = migrate(once.pipeline)

    assert (twice.notes, twice.pipeline) == ([], once.pipeline)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("http://nim:8000", "http://nim:8000/v1"),
        ("http://nim:8000/v1/", "http://nim:8000/v1"),
        ("http://nim/x/v1/retrieval/a/b", "http://nim/x/v1"),
    ],
)
def test_a_url_of_ones_own_ends_in_v1(seed: Any, old: str, new: str) -> None:
    seed["components"]["embedder"]["init_parameters"]["api_url"] = old

    done = migrate(seed)

    assert done.pipeline["components"]["embedder"]["init_parameters"]["api_url"] == new


def test_what_has_no_successor_is_refused(seed: Any) -> None:
    seed["connections"].append({"sender": "generator.meta", "receiver": "x.meta"})

    with pytest.raises(Trouble, match=r"generator\.meta is connected"):
        migrate(seed)


@pytest.mark.parametrize("text", ["[]", "components: 3", "a: [", "\x00"])
def test_what_is_no_pipeline_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "rag.yaml"
    file.write_text(text)

    result = CliRunner().invoke(app, ["migrate", str(file)])

    assert result.exit_code == 1
    assert "hint: name the file that pipeline.dump() wrote" in result.stderr


@pytest.mark.parametrize(
    ("pipeline", "odd"),
    [
        ({"components": {"a": 1}}, "components.a"),
        ({"components": {"a": {"type": "x", "init_parameters": [1]}}}, "components.a"),
        ({"components": {"a": {"init_parameters": {}}}}, "components.a"),
        ({"components": {}, "connections": ["a.b"]}, "connections"),
        ({"components": {}, "connections": [{"receiver": ["a"]}]}, "connections"),
    ],
)
def test_what_no_pipeline_looks_like_is_named(pipeline: Any, odd: str) -> None:
    with pytest.raises(Trouble, match=f"^{odd} of the file is not as"):
        migrate(pipeline)


def test_the_command_writes_the_file_and_tells_on_stderr(tmp_path: Path) -> None:
    out = tmp_path / "new.yaml"

    result = CliRunner().invoke(
        app, ["migrate", str(SEED), "--out", str(out), "--models-url", "http://nim/v1"]
    )

    assert result.exit_code == 0
    assert "generator.api_base_url: https://integrate.api.nvidia.com/v1 became" in result.stderr
    written = yaml.safe_load(out.read_text())
    assert written["components"]["embedder"]["init_parameters"]["api_url"] == "http://nim/v1"
