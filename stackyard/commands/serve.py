"""`stackyard serve`: the service without Kubernetes."""

import time
from typing import Annotated

import typer

from stackyard import samples, show
from stackyard.commands.options import NoSamples, ShowKey
from stackyard.errors import Trouble
from stackyard.progress import Stages, out
from stackyard.serving.serve import serving, start_in_background, stop

CHECK_SECONDS = 0.5


def serve(
    ask: Annotated[
        str | None, typer.Option("--ask", help="A question to ask when it is ready.")
    ] = None,
    port: Annotated[
        int | None, typer.Option("--port", min=1, max=65535, help="The port of the service.")
    ] = None,
    no_samples: NoSamples = False,
    show_key: ShowKey = False,
    background: Annotated[
        bool, typer.Option("--background", help="Return when it is ready; end it with --stop.")
    ] = False,
    stop_it: Annotated[bool, typer.Option("--stop", help="End the serve that runs.")] = False,
) -> None:
    """Run the app, the models and the vector store as processes, until Ctrl-C; data is kept."""
    stages = Stages()
    if background and stop_it:
        message = "--background and --stop cannot be used together"
        raise Trouble(message, "leave one of them out")
    if stop_it:
        stages.say("stopped; the data is kept" if stop() else "nothing to stop: serve does not run")
        return
    if background:
        if ask is not None or show_key:
            message = "--background prints nothing, so --ask and --show-key mean nothing to it"
            raise Trouble(message, "stackyard serve --background, then: stackyard ask")
        options = [
            *(["--port", str(port)] if port else []),
            *(["--no-samples"] if no_samples else []),
        ]
        with stages.stage("serve"):
            start_in_background(options)
        stages.say(f"it runs; end it with: {show.ourselves()} serve --stop")
        return
    _run(stages, ask, port, no_samples, show_key)


def _run(
    stages: Stages, ask: str | None, port: int | None, no_samples: bool, show_key: bool
) -> None:
    console = out()
    start = time.monotonic()
    try:
        with serving(stages, port) as (target, processes), target.service() as service:
            if not no_samples:
                with stages.stage("sample documents") as tell:
                    samples.add_missing(service, tell)
            question = ask if ask is not None else None if no_samples else samples.QUESTION
            if question is not None:
                with stages.stage("first question"):
                    given = service.ask(question)
                console.print(f"\n{question}", markup=False, style="bold")
                show.answer(console, given)
                console.print(f"first answer after {time.monotonic() - start:.1f} s\n")
            console.print(f"url   {target.url}", markup=False)
            line = show.curl(target, question or samples.QUESTION, show_key=show_key)
            console.print(f"curl  {line}", markup=False)
            stages.say("Ctrl-C ends it; the data is kept")
            while True:
                processes.check()
                time.sleep(CHECK_SECONDS)
    except KeyboardInterrupt:
        stages.say("stopped; the data is kept")
