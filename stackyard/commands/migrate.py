"""`stackyard migrate`: a rag.yaml of 2024 in the words of today's Haystack."""

from pathlib import Path
from typing import Annotated

import typer
import yaml

from stackyard.errors import Trouble
from stackyard.migration import migrate as migrated


def migrate(
    file: Annotated[Path, typer.Argument(help="What pipeline.dump() wrote.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Write here; without it to standard output.")
    ] = None,
    models_url: Annotated[
        str | None, typer.Option("--models-url", help="Where the models are now; ends in /v1.")
    ] = None,
    qdrant_url: Annotated[
        str | None, typer.Option("--qdrant-url", help="Where Qdrant is now.")
    ] = None,
) -> None:
    """Rewrite a serialized pipeline for the versions that run here; stderr has each change."""
    if not file.is_file():
        message = f"{str(file)!r} is not a file"
        raise Trouble(message, "name the rag.yaml to migrate")
    if models_url is not None and not models_url.endswith("/v1"):
        message = f"--models-url is {models_url!r}, which does not end in /v1"
        raise Trouble(message, "name the address that the models' routes are below")
    try:
        old = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        message = f"{str(file)!r} is not YAML: {str(error).splitlines()[0]}"
        raise Trouble(message, "name the file that pipeline.dump() wrote") from None
    done = migrated(old, models_url=models_url, qdrant_url=qdrant_url)
    text = yaml.safe_dump(done.pipeline, sort_keys=False, allow_unicode=True)
    for note in done.notes or ["nothing to change"]:
        typer.echo(note, err=True)
    if out is None:
        typer.echo(text, nl=False)
    else:
        out.write_text(text, encoding="utf-8")
