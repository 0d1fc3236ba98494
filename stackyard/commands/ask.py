"""`stackyard ask`: one question, its answer and where that comes from."""

import json
from typing import Annotated

import typer

from stackyard import show
from stackyard.commands.options import AsJson, Collection, KeyFile, MaybeStack, Url
from stackyard.errors import Trouble
from stackyard.progress import out
from stackyard.replies import Answer
from stackyard.target import resolve


def ask(
    question: Annotated[str, typer.Argument(help="The question, in quotes.")],
    collection: Collection = None,
    stream: Annotated[bool, typer.Option("--stream", help="Print words as they come.")] = False,
    as_json: AsJson = False,
    stack: MaybeStack = None,
    url: Url = None,
    key_file: KeyFile = None,
) -> None:
    """Ask a question; the answer comes with the document, page and quote that it stands on."""
    if not question.strip():
        message = "the question is empty"
        raise Trouble(message, 'stackyard ask "What does the handbook say about vacation?"')
    if stream and as_json:
        message = "--stream and --json cannot be used together"
        raise Trouble(message, "leave one of them out")
    console = out()
    with resolve(stack, url, key_file).service() as service:
        if not stream:
            given = service.ask(question, collection)
            if as_json:
                print(json.dumps(given.raw, indent=2, ensure_ascii=False))
            else:
                show.answer(console, given)
            return
        for piece in service.stream(question, collection):
            if isinstance(piece, Answer):
                console.print()
                show.answer(console, piece, with_text=False)
            else:
                console.print(piece, end="", markup=False)
