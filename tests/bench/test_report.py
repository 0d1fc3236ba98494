"""From an outcome to figures, JSON, table and page."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench import page
from bench.engine.figures import figures
from bench.engine.inside import Inside
from bench.engine.measure import CROWD, Ingestion, Outcome
from bench.engine.overload import Overload
from bench.engine.plot import bars
from bench.engine.report import evidence
from bench.engine.table import rows, table
from bench.results import Figure, figure, keep, record
from tests.bench.test_windows import window

WHATS = ("query", "query 1", "query 8", "query 32", "stream", "chat", "stream 1")
NAMED = {
    "queries_per_second_vs_handwritten",
    "queries_per_second_vs_langchain",
    "cpu_per_query_vs_handwritten",
    "streams_per_second_vs_handwritten",
    "chunks_per_second_vs_handwritten",
    "pdf_pages_vs_pdfium",
    "goodput_10_percent_faults",
}


def outcome(*, stub_busy: float = 0.4) -> Outcome:
    made = Outcome(
        start_seconds={"stackyard": 3.0, "handwritten": 1.0},
        idle_mib={"stackyard": 110.0},
        pdf_ours=[90.0],
        pdf_pdfium=[100.0],
        overload=Overload(
            rate=400.0,
            goodput=0.95,
            refused_p95=0.01,
            with_retry_after=1.0,
            broken=0,
            recovery=0.2,
        ),
    )
    for server, seconds in (("stackyard", 1.0), ("handwritten", 2.0), ("langchain", 4.0)):
        for what in (*WHATS, f"query {CROWD}", f"stream {CROWD}"):
            made.windows.append(window(server, what, seconds=seconds, stub_busy=stub_busy))
        made.ingestions.append(Ingestion(server, 100, seconds, stub_busy, 130.0))
    made.windows.append(window("stackyard", "traced", stub_busy=stub_busy))
    made.spans.append((597, 100))
    made.windows.append(window("stackyard", "faults", failed=0, stub_busy=stub_busy))
    made.overload_stub_busy = stub_busy
    made.inside = Inside(chain=[0.8, 0.9], pipeline=[0.5, 0.6], checked=[1.0, 0.9])
    return made


def test_an_outcome_gives_the_named_figures() -> None:
    found, void = figures(outcome())

    assert found.keys() >= NAMED
    assert found["queries_per_second_vs_handwritten"].value == pytest.approx(2.0)
    assert found["chunks_per_second_vs_langchain"].value == pytest.approx(4.0)
    assert found["pdf_pages_vs_pdfium"].value == pytest.approx(0.9)
    assert found["goodput_10_percent_faults"].value == 100.0
    assert found["added_p95_c1"].value == pytest.approx(1000 * (0.3025 - 0.233))
    assert found["in_process_vs_handwritten"].runs == pytest.approx([1.6, 1.5])
    assert found["in_process_checked_vs_handwritten"].value == pytest.approx(0.9)
    assert found["traced_components_arrived"].value == pytest.approx(99.5)
    assert void == []


def test_what_was_not_measured_is_not_void() -> None:
    answers = outcome()
    answers.ingestions, answers.overload, answers.inside = [], None, None
    answers.windows = [each for each in answers.windows if each.what != "faults"]

    found, void = figures(answers)

    assert void == []
    assert not any(
        name.startswith(("chunks", "pdf", "goodput", "overload", "in_process")) for name in found
    )


def test_void_windows_give_no_figure() -> None:
    found, void = figures(outcome(stub_busy=0.9))

    assert "queries_per_second_vs_handwritten" in void
    assert "chunks_per_second_vs_handwritten" in void
    assert "overload_goodput" in void
    assert "pdf_pages_vs_pdfium" in found


def test_a_kept_record_has_the_agreed_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.results.RESULTS", tmp_path)

    path = keep("latest", record({"a": Figure([1.0, 3.0, 2.00004], "x")}, void=[]))

    kept = json.loads(path.read_text())
    assert kept["figures"] == {"a": {"value": 2.0, "unit": "x", "runs": [1.0, 3.0, 2.0]}}
    assert {"machine", "date", "commit", "command", "figures"} <= kept.keys()
    assert {"cpu", "cores", "memory_gib", "kernel", "python"} == kept["machine"].keys()


def test_what_is_not_a_number_is_not_kept() -> None:
    with pytest.raises(ValueError, match="not a number: a"):
        record({"a": figure(float("nan"), "x")})


def test_the_table_has_a_row_a_server_and_a_ratio_of_one_for_the_hand_written() -> None:
    cells = rows(json.loads(json.dumps(evidence(outcome()))))

    ours, hand, langchain = cells
    assert [row[2] for row in cells] == ["2.00", "1.00", "0.50"]
    assert ours[0].startswith("stackyard")
    assert hand[11] == "1.00"
    assert langchain[10] == "25.0"
    assert table(evidence(outcome())).row_count == 3


def test_a_void_window_leaves_its_cell_empty() -> None:
    cells = rows(evidence(outcome(stub_busy=0.9)))

    assert cells[0][1:] == [""] * 11


def test_bars_are_well_formed_and_as_long_as_their_values() -> None:
    picture = ElementTree.fromstring(bars("Answers", {"a": 10.0, "b & c": 5.0}, "per second"))

    widths = [float(bar.attrib["width"]) for bar in picture.findall(".//{*}rect")]
    assert widths[0] == pytest.approx(2 * widths[1], abs=0.1)


def test_the_page_shows_the_last_result() -> None:
    written = page.PAGE.read_text()

    assert written == page.renewed(written, page.result()), "run: python -m bench page"


def test_a_result_is_shown_with_its_machine_table_figures_and_what_is_void() -> None:
    found, void = figures(outcome(stub_busy=0.9))

    text = page.section(record(found, **evidence(outcome(stub_busy=0.9)), void=void))

    assert "A free engine would answer in 233 ms." in text
    assert "| stackyard |  |  |" in text
    assert "| `pdf_pages_vs_pdfium` | 0.9 | x | 1 |" in text
    assert "`queries_per_second_vs_handwritten`" in text.splitlines()[-1]


def test_a_page_without_its_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="the page lacks"):
        page.renewed("no marks", "text")
