"""`stackyard eval`: how good the answers are, on questions whose sources are known."""

from pathlib import Path
from typing import Annotated

import typer

from stackyard.commands.options import KeyFile, MaybeStack, Url
from stackyard.errors import Trouble
from stackyard.evaluation import show
from stackyard.evaluation.gate import missed, read_gates
from stackyard.evaluation.questions import read_questions
from stackyard.evaluation.report import report_page
from stackyard.evaluation.result import compare, read_result
from stackyard.evaluation.running import run
from stackyard.ingestion import collect
from stackyard.progress import Stages, out
from stackyard.target import resolve


def eval(
    documents: Annotated[Path, typer.Option("--documents", help="The folder of the documents.")],
    questions: Annotated[
        Path, typer.Option("--questions", help="A file with a question a line, as JSON.")
    ],
    report: Annotated[
        Path | None, typer.Option("--report", help="Write a page with plots, HTML.")
    ] = None,
    as_json: Annotated[
        Path | None, typer.Option("--json", help="Write all figures and outcomes.")
    ] = None,
    before: Annotated[
        Path | None, typer.Option("--compare", help="The --json file of an earlier run.")
    ] = None,
    fail_under: Annotated[
        list[str] | None,
        typer.Option("--fail-under", help="MEASURE=LEAST, such as ndcg@10=0.8; exits 1 below it."),
    ] = None,
    search_only: Annotated[
        bool, typer.Option("--search-only", help="Rank passages, ask no language model.")
    ] = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the documents indexed for the next run.")
    ] = False,
    stack: MaybeStack = None,
    url: Url = None,
    key_file: KeyFile = None,
) -> None:
    """Index documents into a collection of their own, ask, and measure what comes back."""
    gates = read_gates(fail_under or [])
    earlier = read_result(before) if before else None
    if not documents.is_dir():
        message = f"--documents is {str(documents)!r}, which is not a folder"
        raise Trouble(message, "put the documents into one folder, and name that")
    collected = collect([documents])
    if collected.clashes:
        named = "; ".join(f"{each.name} {each.reason}" for each in collected.clashes)
        raise Trouble(named, "give each document a file name of its own")
    asked = read_questions(questions, {file.name for file in collected.files})
    stages = Stages()
    result = run(
        resolve(stack, url, key_file),
        collected,
        asked,
        questions,
        answers=not search_only,
        keep=keep,
        stages=stages,
    )
    changes, shared = compare(earlier, result) if earlier else ({}, 0)
    if as_json:
        as_json.write_text(result.model_dump_json(indent=1) + "\n")
    if report:
        report.write_text(report_page(result, changes, shared), encoding="utf-8")
    show.figures(out(), result)
    if earlier:
        show.changes(out(), changes, shared)
    lines = missed(gates, result)
    for line in lines:
        stages.say(line)
    if lines:
        raise typer.Exit(1)
