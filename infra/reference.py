"""Prints docs/reference/settings.md: every setting, from the types that read it."""

import json
from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from infra.problems.telling import PROJECT, alias_of
from infra.schema import SECRETS, Settings

HEAD = """# Settings

<!-- written by `python -m infra.reference > docs/reference/settings.md`; a test compares -->

Each stack has a file `Pulumi.<stack>.yaml`. Set a value with
`pulumi config set --path stackyard:<setting> <value>`, for example
`pulumi config set --path stackyard:app.maxUploadMb 50`. Unknown settings are refused.
"""


def reference() -> str:
    """Return the page."""
    parts = [HEAD]
    for field_name, field in Settings.model_fields.items():
        name = alias_of(Settings, field_name)
        rows = [_row(*entry) for entry in _leaves(name, field)]
        title = f"## {name}\n\n{_sentence(field.description or '')}\n"
        parts.append(
            "\n".join([title, "| setting | type | default | |", "|---|---|---|---|", *rows])
        )
    secrets = [f"| `{name}` | {use} |" for name, use in SECRETS.items()]
    head = f"## Secrets\n\n`pulumi config set --secret {PROJECT}:<name>` asks for the value.\n"
    parts.append("\n".join([head, "| secret | for |", "|---|---|", *secrets]))
    return "\n".join(part.rstrip() + "\n" for part in parts)


def _leaves(path: str, field: FieldInfo) -> Iterator[tuple[str, FieldInfo]]:
    annotation = field.annotation
    (item, *_) = (*get_args(annotation), None) if get_origin(annotation) is list else (None,)
    noun, suffix = (item, "[]") if item is not None else (_present(annotation), "")
    if isinstance(noun, type) and issubclass(noun, BaseModel):
        for child in noun.model_fields.values():
            yield from _leaves(f"{path}{suffix}.{child.alias}", child)
    else:
        yield path, field


def _present(annotation: Any) -> Any:
    """Return the noun of one that may be left out, and anything else as it is."""
    given = [each for each in get_args(annotation) if each is not type(None)]
    nouns = [each for each in given if isinstance(each, type) and issubclass(each, BaseModel)]
    return nouns[0] if len(given) == 1 and nouns else annotation


def _row(path: str, field: FieldInfo) -> str:
    shown = field.default is not None and not field.is_required()
    default = f"`{json.dumps(field.default)}`" if shown else ""
    return f"| `{path}` | {_type(field.annotation)} | {default} | {field.description or ''} |"


def _type(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{value}`" for value in get_args(annotation))
    if get_origin(annotation) is Annotated:
        return _type(get_args(annotation)[0])
    if get_origin(annotation) is list:
        return f"list of {_type(get_args(annotation)[0])}"
    if get_origin(annotation) is dict:
        return "object of texts"
    if isinstance(annotation, UnionType) or get_args(annotation):
        return " or ".join(
            _type(part)
            for part in get_args(annotation)
            if isinstance(part, type) or get_args(part)
            if part is not type(None)
        )
    names = {str: "text", int: "number", bool: "true or false"}
    return names.get(annotation, "text")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


if __name__ == "__main__":
    print(reference(), end="")
