"""`stackyard quarantine`: documents that no answer may cite until somebody has looked at them."""

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from stackyard.commands.options import AsJson, Collection, KeyFile, MaybeStack, Url
from stackyard.progress import out
from stackyard.target import resolve

Id = Annotated[
    str, typer.Argument(help="The document's id, as `stackyard quarantine list` has it.")
]


def list_(
    collection: Collection = None,
    as_json: AsJson = False,
    stack: MaybeStack = None,
    url: Url = None,
    key_file: KeyFile = None,
) -> None:
    """List the documents that are quarantined, and those with warnings that are not."""
    with resolve(stack, url, key_file).service() as service:
        found = [
            each for each in service.documents(collection) if each.warnings or each.quarantined
        ]
    if as_json:
        print(json.dumps([asdict(each) for each in found], indent=2, ensure_ascii=False))
        return
    table = Table("id", "document", "quarantined", "warnings")
    for each in found:
        state = "yes" if each.quarantined else "no"
        table.add_row(each.id, each.name, state, "\n".join(each.warnings))
    out().print(table, markup=False)


def add(
    document_id: Id, stack: MaybeStack = None, url: Url = None, key_file: KeyFile = None
) -> None:
    """Keep a document from being cited, at once."""
    _set(document_id, held=True, stack=stack, url=url, key_file=key_file)


def release(
    document_id: Id, stack: MaybeStack = None, url: Url = None, key_file: KeyFile = None
) -> None:
    """Let a document be cited again, at once."""
    _set(document_id, held=False, stack=stack, url=url, key_file=key_file)


def _set(document_id: str, *, held: bool, stack: MaybeStack, url: Url, key_file: KeyFile) -> None:
    with resolve(stack, url, key_file).service() as service:
        document = service.quarantine(document_id, held=held)
    said = "is quarantined" if document.quarantined else "may be cited"
    out().print(f"{document.name} {said}", markup=False, highlight=False)
