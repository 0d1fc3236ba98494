"""`stackyard eval` over HTTP: figures, report, comparison and gate."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import Result

from stackyard.evaluation.result import Result as Measured
from tests.stackyard.conftest import Invoke
from tests.stackyard.fake_service import FakeService

QUESTIONS: list[dict[str, object]] = [
    {
        "id": "skates",
        "question": "How much do skates cost?",
        "answer": "nine dollars",
        "sources": [{"document": "rules.txt", "quote": "Skates cost nine dollars."}],
    },
    {
        "id": "pond",
        "question": "Which month does the pond <b>freeze</b> in?",
        "sources": [{"document": "pond.txt", "page": 1, "quote": "The pond freezes in January."}],
    },
    {"id": "moon", "question": "Whose cheese?", "answerable": False, "group": "something else"},
]


class World:
    """Two documents, three questions, and the command on them."""

    def __init__(self, folder: Path, service: FakeService, key_file: Path, invoke: Invoke) -> None:
        self.folder, self.service = folder, service
        self._key_file, self._invoke = key_file, invoke
        self.documents = folder / "documents"
        self.documents.mkdir()
        (self.documents / "rules.txt").write_text("Skates cost nine dollars.")
        (self.documents / "pond.txt").write_text("The pond freezes in January.")
        self.questions = folder / "questions.jsonl"
        self.questions.write_text("\n".join(map(json.dumps, QUESTIONS)))

    def run(self, *options: str | Path) -> Result:
        return self._invoke(
            *("eval", "--documents", self.documents, "--questions", self.questions),
            *("--url", self.service.url, "--key-file", self._key_file, *options),
        )

    def measured(self, *options: str | Path) -> Measured:
        done = self.run("--json", self.folder / "out.json", *options)
        assert done.exit_code == 0, done.output
        return Measured.model_validate_json((self.folder / "out.json").read_bytes())


@pytest.fixture
def world(tmp_path: Path, service: FakeService, key_file: Path, invoke: Invoke) -> World:
    return World(tmp_path, service, key_file, invoke)


def test_the_figures_are_those_of_the_answers_over_http(world: World) -> None:
    result = world.measured()

    found = {name: figure.value for name, figure in result.figures["all"].items()}
    assert found == {
        "hit@1": 1,
        "recall@5": 1,
        "recall@10": 1,
        "recall@20": 1,
        "mrr": 1,
        "ndcg@10": 1,
        "answered": 1,
        "answer_words": 1,
        "citation_precision": 1,
        "citation_recall": 1,
        "refusal_precision": 1,
        "refusal_recall": 1,
    }
    assert result.figures["something else"]["refusal_recall"].n == 1
    assert {outcome.half for outcome in result.outcomes} == {"A", "B"}


def test_the_documents_go_into_a_collection_of_their_own_and_are_removed(world: World) -> None:
    world.run()

    (collection,) = {str(asked["collection"]) for asked in world.service.questions}
    assert re.fullmatch(r"eval-[0-9a-f]{12}", collection)
    assert world.service.documents == {}


def test_kept_documents_are_not_sent_again(world: World) -> None:
    world.run("--keep")
    jobs = len(world.service.jobs)

    done = world.run("--keep")

    assert "0 documents" in done.output
    assert len(world.service.jobs) == jobs
    assert len(world.service.documents) == 2


def test_search_only_asks_no_model(world: World) -> None:
    result = world.measured("--search-only")

    assert "answered" not in result.figures["all"]
    assert result.figures["all"]["ndcg@10"].n == 2
    assert all("query" in asked for asked in world.service.questions)


def test_filters_of_a_question_reach_the_service(world: World) -> None:
    filters = {"field": "meta.document", "operator": "!=", "value": "rules.txt"}
    line = {"id": "1", "question": "How much?", "answerable": False, "filters": filters}
    world.questions.write_text(json.dumps(line))

    world.run()

    assert [asked["filters"] for asked in world.service.questions] == [filters]


def test_a_question_that_fails_counts_as_nothing_reached(world: World) -> None:
    world.service.fails_on = {"How much do skates cost?"}

    result = world.measured()

    assert result.figures["all"]["ndcg@10"].value == 0.5
    assert result.figures["all"]["answered"].value == 0.5
    assert [outcome.state for outcome in result.outcomes] == ["failed", "answered", "refused"]


def test_a_gate_that_is_missed_exits_1_and_says_by_how_much(world: World) -> None:
    world.service.fails_on = {"How much do skates cost?"}

    done = world.run("--fail-under", "ndcg@10=0.8", "--fail-under", "hit@1=0.5")

    assert done.exit_code == 1
    assert "ndcg@10 is 0.5000, under 0.8" in done.output
    assert "hit@1 is" not in done.output


def test_what_was_not_measured_misses_its_gate(world: World) -> None:
    done = world.run("--search-only", "--fail-under", "answered=0.1")

    assert done.exit_code == 1
    assert "answered was not measured" in done.output


def test_bad_gates_are_all_named_before_anything_is_sent(world: World) -> None:
    done = world.run("--fail-under", "ndgc=0.8", "--fail-under", "mrr=nan", "--fail-under", "mrr")

    assert done.exit_code == 1
    assert "'ndgc=0.8': the measure is one of hit@1" in done.output
    assert "'mrr=nan': the value is a number from 0 to 1" in done.output
    assert "'mrr': the value is" in done.output
    assert world.service.jobs == {}


def test_the_report_stands_alone_and_escapes_what_it_shows(world: World) -> None:
    world.service.fails_on = {str(QUESTIONS[1]["question"])}

    world.run("--report", world.folder / "out.html")

    page = (world.folder / "out.html").read_text()
    assert page.count("<svg") == 3
    assert "&lt;b&gt;freeze&lt;/b&gt;" in page
    assert "<b>freeze" not in page
    assert not re.search(r"""(?:src|href)\s*=|url\(|@import|<script""", page)


def test_a_comparison_shows_what_changed_since(world: World) -> None:
    world.service.fails_on = {"How much do skates cost?"}
    world.measured()
    (world.folder / "out.json").rename(world.folder / "before.json")
    world.service.fails_on = set()

    done = world.run(
        *("--compare", world.folder / "before.json"),
        *("--report", world.folder / "out.html"),
    )

    assert "+0.500" in done.output
    assert "Against the earlier run" in (world.folder / "out.html").read_text()


def test_a_comparison_with_another_file_is_refused_before_anything_is_sent(world: World) -> None:
    done = world.run("--compare", world.questions)

    assert done.exit_code == 1
    assert "is not a result" in done.output
    assert world.service.jobs == {}


def test_a_document_that_is_not_indexed_ends_the_run(world: World) -> None:
    (world.documents / "empty.txt").write_text("")

    done = world.run()

    assert done.exit_code == 1
    assert "1 document(s) were not indexed" in done.output
    assert "empty.txt: refused the file is empty" in done.output
    assert world.service.documents == {}


def test_two_documents_of_one_name_are_refused(world: World) -> None:
    (world.documents / "more").mkdir()
    (world.documents / "more" / "pond.txt").write_text("Another pond.")

    done = world.run()

    assert done.exit_code == 1
    assert "would replace" in done.output
