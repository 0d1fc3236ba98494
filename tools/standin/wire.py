"""Values as the engine sends them: secrets and unknowns kept apart from plain JSON."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf import struct_pb2

# A Kubernetes object or a part of one: JSON of any shape.
Manifest = dict[str, Any]

SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
SECRET: Final = "1b47061264138c4ac30d75fd1eb44270"
OUTPUT: Final = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
ASSET: Final = "c44067f5952c0a294b673a41bacd8c17"
UNKNOWN_TEXT: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
# One for each type that the engine knows: string, bool, number, array, asset, archive, object.
UNKNOWNS: Final = frozenset(
    {
        UNKNOWN_TEXT,
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)


@dataclass(frozen=True)
class Secret:
    """A value that the engine encrypts wherever it keeps it."""

    value: Any

    def __repr__(self) -> str:
        return "Secret([secret])"


class Unknown:
    """A value that only exists once something else is made."""

    def __repr__(self) -> str:
        return "Unknown()"


UNKNOWN: Final = Unknown()


def _decoded(value: struct_pb2.Value) -> Any:
    match value.WhichOneof("kind"):
        case "struct_value":
            return _special(
                {key: _decoded(item) for key, item in value.struct_value.fields.items()}
            )
        case "list_value":
            return [_decoded(item) for item in value.list_value.values]
        case "string_value":
            return UNKNOWN if value.string_value in UNKNOWNS else value.string_value
        case "bool_value":
            return value.bool_value
        case "number_value":
            number = value.number_value
            # JSON numbers arrive as floats, Kubernetes wants its integers
            return int(number) if number.is_integer() else number
        case _:
            return None


def _special(value: Manifest) -> Any:
    match value.get(SIGNATURE):
        case str() as signature if signature == SECRET:
            return Secret(value.get("value"))
        case str() as signature if signature == OUTPUT:
            inner = value.get("value", UNKNOWN)
            return Secret(inner) if value.get("secret") else inner
        case _:
            return value


def decode(struct: struct_pb2.Struct) -> Manifest:
    """Read a struct, with Secret and UNKNOWN where the engine put its markers."""
    return {key: _decoded(value) for key, value in struct.fields.items()}


def _encodable(value: Any) -> Any:
    if isinstance(value, Secret):
        return {SIGNATURE: SECRET, "value": _encodable(value.value)}
    if isinstance(value, Unknown):
        return UNKNOWN_TEXT
    if isinstance(value, dict):
        return {key: _encodable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_encodable(item) for item in value]
    return value


def encode(value: Manifest) -> struct_pb2.Struct:
    """Write a struct, with the engine's markers for Secret and UNKNOWN."""
    struct = struct_pb2.Struct()
    struct.update(_encodable(value))
    return struct


def plain(value: Any) -> Any:
    """Return the value without secret wrappers and without keys whose value is null."""
    if isinstance(value, Secret):
        return plain(value.value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def has_unknown(value: Any) -> bool:
    """Tell whether any part of the value is not known yet."""
    if isinstance(value, Secret):
        return has_unknown(value.value)
    if isinstance(value, dict):
        return any(has_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(has_unknown(item) for item in value)
    return value is UNKNOWN


def texts(value: Any) -> Iterator[str]:
    """Yield every string inside the value."""
    if isinstance(value, Secret):
        yield from texts(value.value)
    elif isinstance(value, dict):
        for item in value.values():
            yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif isinstance(value, str):
        yield value


def secret_texts(value: Any) -> Iterator[str]:
    """Yield every string that lies inside a secret."""
    if isinstance(value, Secret):
        yield from texts(value.value)
    elif isinstance(value, dict):
        for item in value.values():
            yield from secret_texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from secret_texts(item)


def setting(value: Any) -> Any:
    """Read a provider setting: SDKs send booleans and objects as JSON in a string."""
    value = plain(value)
    if not isinstance(value, str) or not (value in ("true", "false") or value.startswith("{")):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value
