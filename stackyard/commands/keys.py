"""`stackyard keys`: who may call the service, without an `up`."""

import json
import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated

import typer
from rich.table import Table

from stackyard.commands.options import AsJson, KeyFile, MaybeStack, Url
from stackyard.errors import Trouble
from stackyard.progress import out
from stackyard.replies import Json
from stackyard.target import resolve

UNITS = {"h": "hours", "d": "days", "w": "weeks"}


class Role(StrEnum):
    """What a key opens: asking; documents of its own too; everything."""

    READER = "reader"
    CONTRIBUTOR = "contributor"
    ADMIN = "admin"


def create(
    subject: Annotated[str, typer.Argument(help="Whose key it is: a person or a program.")],
    role: Annotated[Role, typer.Option("--role", help="What it opens.")] = Role.READER,
    group: Annotated[
        list[str] | None, typer.Option("--group", help="A group of the subject; repeat it.")
    ] = None,
    collection: Annotated[
        list[str] | None,
        typer.Option("--collection", help="A collection that it is for; without it, all."),
    ] = None,
    expires: Annotated[
        str | None, typer.Option("--expires", help="When it ends: 12h, 30d, 8w or a date.")
    ] = None,
    rate: Annotated[
        str | None, typer.Option("--rate", help="How often it may call: 60/minute.")
    ] = None,
    as_json: AsJson = False,
    stack: MaybeStack = None,
    url: Url = None,
    key_file: KeyFile = None,
) -> None:
    """Create a key and print it; the service keeps a hash, so it cannot be shown again."""
    wanted: Json = {"subject": subject, "role": role.value, "groups": list(group or [])}
    wanted |= {"collections": list(collection)} if collection else {}
    wanted |= {"expires": moment(expires)} if expires else {}
    wanted |= {"rate": rate} if rate else {}
    with resolve(stack, url, key_file).service() as service:
        made = service.create_key(wanted)
    print(json.dumps(made, indent=2) if as_json else made["key"])


def list_(
    as_json: AsJson = False,
    stack: MaybeStack = None,
    url: Url = None,
    key_file: KeyFile = None,
) -> None:
    """List the keys that were created; the first key, an output of the stack, is not among them."""
    with resolve(stack, url, key_file).service() as service:
        keys = service.keys()
    if as_json:
        print(json.dumps(keys, indent=2))
        return
    table = Table()
    for name in ("id", "subject", "role", "groups", "collections", "rate", "expires", "state"):
        # The id is what `revoke` takes; the rest may be cut in a narrow terminal.
        table.add_column(name, no_wrap=name == "id", min_width=12 if name == "id" else None)
    for key in keys:
        table.add_row(
            *(str(key[name] or "") for name in ("id", "subject", "role")),
            ", ".join(_names(key["groups"])),
            ", ".join(_names(key["collections"])) or "all",
            *(str(key[name] or "") for name in ("rate", "expires")),
            "revoked" if key["revoked"] else "open",
        )
    out().print(table)


def revoke(
    key_id: Annotated[str, typer.Argument(help="The id, as `stackyard keys list` shows it.")],
    stack: MaybeStack = None,
    url: Url = None,
    key_file: KeyFile = None,
) -> None:
    """End a key; the next request with it is refused."""
    with resolve(stack, url, key_file).service() as service:
        service.revoke_key(key_id)
    out().print(f"{key_id} is revoked", markup=False, highlight=False)


def _names(value: object) -> list[str]:
    return [str(name) for name in value] if isinstance(value, list) else []


def moment(text: str) -> str:
    """Return the moment that `30d` or a date means, with its time zone."""
    if found := re.fullmatch(r"(\d{1,5})([hdw])", text):
        ahead = timedelta(**{UNITS[found[2]]: int(found[1])})
        return (datetime.now(UTC) + ahead).isoformat(timespec="seconds")
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        message = f"the time is {text!r}: expected 12h, 30d, 8w from now, or a date"
        raise Trouble(message, "a date is such as 2027-01-31") from None
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).isoformat()
