"""`python -m bench`: measure, print, keep in bench/results/."""

import os
from dataclasses import replace
from typing import Annotated

import typer
from rich.console import Console

from bench.results import keep, record, show
from stackyard.cli import explained

WIDTH = 150  # of the table where nobody's terminal says it

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help=__doc__, pretty_exceptions_enable=False
)


@app.command()
@explained
def engine(
    quick: Annotated[bool, typer.Option("--quick", help="About two minutes; rough.")] = False,
    chat_ms: Annotated[
        float,
        typer.Option(
            help="What the stub model takes for 50 tokens; any other value writes end-to-end.json."
        ),
    ] = 200.0,
    rounds: Annotated[
        int | None,
        typer.Option(min=1, help="How often the servers take their turns; without it, 3 times."),
    ] = None,
) -> None:
    """Hold the question engine against its peers, one core each; write latest.json and plots."""
    from bench.engine.measure import run
    from bench.engine.plan import FULL, QUICK, SLOW_MODEL
    from bench.engine.process import two_cores
    from bench.engine.report import report
    from bench.engine.stub import Delays

    # Images hold compiled modules; without them memory would be what compiling them leaves over.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDTH
    with console.status("") as status:

        def tell(text: str) -> None:
            status.update(text)
            if not console.is_terminal:
                console.print(text)

        delays = Delays(chat=chat_ms / 1000)
        plan = QUICK if quick else FULL if delays == Delays() else SLOW_MODEL
        plan = replace(plan, rounds=rounds or plan.rounds)
        outcome = run(plan, two_cores(), tell, delays)
    report(outcome, console)


@app.command()
@explained
def stack(
    stack: Annotated[str, typer.Option("--stack", help="The stack, Pulumi.<stack>.yaml.")] = "dev",
) -> None:
    """Run `stackyard up` as things are, then measure the stack; write stack.json."""
    from bench.stack import measure_stack

    found = measure_stack(stack)
    show(f"stack {stack}", found)
    print(f"written: {keep('stack', record(found, stack=stack))}")


@app.command()
@explained
def serve() -> None:
    """Start a `stackyard serve` of its own and measure it; write serve.json."""
    from bench.stack import measure_serve

    found = measure_serve()
    show("serve", found)
    print(f"written: {keep('serve', record(found))}")


@app.command()
@explained
def programs() -> None:
    """Preview the eks and the existing example on doubles: CPU of the program; programs.json."""
    from bench.programs import measure_program

    found = measure_program("eks") | measure_program("existing")
    show("programs", found)
    print(f"written: {keep('programs', record(found))}")


@app.command()
@explained
def page() -> None:
    """Write the last result into docs/concepts/performance.md."""
    from bench.page import write

    print(f"written: {write()}")


if __name__ == "__main__":
    app()
