"""The options that several verbs share."""

from pathlib import Path
from typing import Annotated

import typer

StackName = Annotated[
    str, typer.Option("--stack", envvar="STACKYARD_STACK", help="The stack, Pulumi.<stack>.yaml.")
]
MaybeStack = Annotated[
    str | None,
    typer.Option(
        "--stack",
        envvar="STACKYARD_STACK",
        help="The stack; without it a running serve is meant, else dev.",
        show_default=False,
    ),
]
Url = Annotated[
    str | None,
    typer.Option("--url", help="Any service; its key by --key-file or STACKYARD_KEY."),
]
KeyFile = Annotated[Path | None, typer.Option("--key-file", help="A file with the bare key.")]
Collection = Annotated[
    str | None, typer.Option("--collection", help="The collection; the service's own by default.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
ShowKey = Annotated[bool, typer.Option("--show-key", help="Print the key in the curl line.")]
NoSamples = Annotated[bool, typer.Option("--no-samples", help="Leave the sample documents out.")]
