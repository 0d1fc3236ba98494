"""The report: one HTML file that needs nothing else, not even a network."""

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape

from stackyard.evaluation import plots
from stackyard.evaluation.asking import Outcome
from stackyard.evaluation.metrics import DEPTH
from stackyard.evaluation.result import Result
from stackyard.evaluation.show import MAIN, written
from stackyard.evaluation.statistics import Difference

WORST = 100
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem }
svg { max-width: 44rem; display: block } svg text { font-size: 11px } .tick { fill: #777 }
table { border-collapse: collapse; margin: 1rem 0; font-size: 14px }
td, th { border-bottom: 1px solid #ddd; padding: .25rem .6rem; text-align: left }
td { vertical-align: top; max-width: 28rem }
"""


def report_page(result: Result, changes: Mapping[str, Difference], shared: int) -> str:
    """Return the page; everything that came from documents or the service is escaped."""
    parts = [
        "<h1>Answers, measured</h1>",
        _subject(result),
        "<h2>Measures</h2>",
        "<p>The mean over the questions with its 95 % interval (bootstrap over questions). "
        "Tune on half A, report half B.</p>",
        _halves(result),
        _figures(result),
        *(_changes(changes, shared) if shared else []),
        "<h2>Groups</h2>",
        _groups(result),
        "<h2>Rank of the first passage of a source</h2>",
        plots.bars(_ranks(result.outcomes)),
        "<h2>Seconds by stage: median / 95th percentile</h2>",
        plots.seconds(result.latency),
        "<h2>Where it went wrong</h2>",
        _worst(result.outcomes),
    ]
    body = "\n".join(part for part in parts if part)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>Answers, measured</title><style>{STYLE}</style></head>\n"
        f"<body>\n{body}\n</body></html>\n"
    )


def _subject(result: Result) -> str:
    subject = result.subject
    rows = {
        "date": subject.date,
        "service": subject.service,
        "language model": subject.model or "not asked",
        "documents": f"{subject.documents} ({subject.documents_digest})",
        "questions": f"{len(result.outcomes)} ({subject.questions_digest})",
        "failed": str(sum(outcome.state == "failed" for outcome in result.outcomes)),
    }
    return _table([], [[name, value] for name, value in rows.items()])


def _halves(result: Result) -> str:
    names = result.figures["all"]
    rows = {name: [result.figures[half].get(name) for half in ("A", "B")] for name in names}
    return plots.dots(rows, ("half A", "half B"))


def _figures(result: Result) -> str:
    rows = [
        [name, *(written(result.figures[part].get(name)) for part in MAIN)]
        for name in result.figures["all"]
    ]
    return _table(["measure", "all", "half A", "half B"], rows)


def _changes(changes: Mapping[str, Difference], shared: int) -> list[str]:
    rows = [
        [name, f"{each.value:+.3f} ({each.low:+.3f} to {each.high:+.3f})", each.better, each.worse]
        for name, each in changes.items()
    ]
    return [
        "<h2>Against the earlier run</h2>",
        f"<p>On the {shared} questions that both runs asked.</p>",
        plots.gains(changes),
        _table(["measure", "change", "better", "worse"], rows),
    ]


def _groups(result: Result) -> str:
    rows = [
        [part, written(figures.get("answered")), written(figures.get("refusal_recall"))]
        for part, figures in result.figures.items()
        if part not in MAIN
    ]
    return _table(["group", "answered", "refused"], [row for row in rows if any(row[1:])])


def _ranks(outcomes: list[Outcome]) -> dict[str, int]:
    searched = [outcome for outcome in outcomes if "mrr" in outcome.values]
    counted = Counter(outcome.rank for outcome in searched)
    shown = {str(rank): counted[rank] for rank in range(1, 11)}
    below = sum(counted[rank] for rank in range(11, DEPTH + 1))
    return {**shown, f"11 to {DEPTH}": below, "not found": counted[None]}


def _worst(outcomes: list[Outcome]) -> str:
    wrong = [outcome for outcome in outcomes if _mistake(outcome)]
    rows = [
        [each.id, each.question, _mistake(each), each.rank or "", each.said]
        for each in wrong[:WORST]
    ]
    note = (
        f"<p>{len(wrong)} questions; the first {WORST} are listed.</p>"
        if len(wrong) > WORST
        else ""
    )
    return note + _table(["id", "question", "what", "rank", "said"], rows)


def _mistake(outcome: Outcome) -> str:
    values = outcome.values
    if outcome.state == "failed":
        return "failed"
    if values.get("refusal_recall") == 0:
        return "answered, though nothing answers it"
    if values.get("answered") == 0:
        return "refused, though it is answered"
    if values.get("citation_recall") == 0:
        return "cites no source"
    return "source not first" if values.get("hit@1") == 0 else ""


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    first = "".join(f"<th>{escape(name)}</th>" for name in head)
    lines = [
        "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows
    ]
    return f"<table><tr>{first}</tr>{''.join(lines)}</table>" if rows else ""
