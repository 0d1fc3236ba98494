"""Pure: how a problem with a setting is told, and the command that repairs it."""

import json

from pydantic import BaseModel

PROJECT = "stackyard"


def only(key: str, value: object, needed: str) -> str:
    """Return the problem of a setting that has no meaning here."""
    return (
        f"{PROJECT}:{key}: is {shown(value)}; it is only for {needed}\n"
        f"      hint: pulumi config rm --path '{PROJECT}:{key}'"
    )


def hint(key: str, value: str) -> str:
    """Return the command that sets a setting."""
    return f"      hint: pulumi config set --path '{PROJECT}:{key}' {value}"


def secret_hint(key: str) -> str:
    """Return the command that sets a secret."""
    return f"      hint: pulumi config set --secret {PROJECT}:{key}"


def shown(value: object) -> str:
    """Return a value as people read it."""
    return f"'{value}'" if isinstance(value, str) else json.dumps(value, default=_plain)


def alias_of(model: type[BaseModel], field: str) -> str:
    """Return a field's name as a stack file has it."""
    return str(model.model_fields[field].alias)


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(by_alias=True, exclude_unset=True)
    return repr(value)
