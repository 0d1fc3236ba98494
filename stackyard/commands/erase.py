"""`stackyard erase`: a user's documents, or old ones, and everything that is known of them."""

from typing import Annotated

import typer

from stackyard.commands.keys import moment
from stackyard.commands.options import Collection, KeyFile, MaybeStack, Url
from stackyard.errors import Trouble
from stackyard.progress import out
from stackyard.target import resolve


def erase(
    user: Annotated[
        str | None, typer.Option("--user", help="Whose documents: the subject of a key or token.")
    ] = None,
    before: Annotated[
        str | None, typer.Option("--before", help="Those last changed before this date.")
    ] = None,
    collection: Collection = None,
    stack: MaybeStack = None,
    url: Url = None,
    key_file: KeyFile = None,
) -> None:
    """Erase documents with their chunks, originals and jobs, and wait until they are gone."""
    if user is None and before is None:
        message = "neither --user nor --before says which documents"
        raise Trouble(message, "stackyard erase --user NAME")
    asked = {"owner": user, "before": moment(before) if before else None, "collection": collection}
    with resolve(stack, url, key_file).service() as service:
        erased = service.erase({name: value for name, value in asked.items() if value})
    out().print(f"{erased} documents are erased", markup=False, highlight=False)
