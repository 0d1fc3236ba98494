"""Strict reading of JSON objects: what nobody asks for is refused, never ignored."""

from typing import TypeAlias, TypeVar

from local.qdrant.errors import format_error, unsupported

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"

Kind = TypeVar("Kind")


def shown(value: Json) -> str:
    """Quote a value for an error, shortened."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def expected(where: str, value: Json, wanted: str) -> Exception:
    return format_error(f"{where} is {shown(value)}, it must be {wanted}")


class Fields:
    """A JSON object that hands out its members and refuses those left over."""

    def __init__(self, value: Json, where: str) -> None:
        if not isinstance(value, dict):
            raise expected(where, value, "an object")
        self._left: dict[str, Json] = {k: v for k, v in value.items() if v is not None}
        self.where = where

    def __contains__(self, name: str) -> bool:
        return name in self._left

    def at(self, name: str) -> str:
        return f"{self.where}.{name}" if self.where else name

    def take(self, name: str) -> Json:
        return self._left.pop(name, None)

    def required(self, name: str) -> Json:
        if name not in self._left:
            message = f"missing field `{self.at(name)}`"
            raise format_error(message)
        return self._left.pop(name)

    def finish(self) -> None:
        """Refuse whatever was not asked for."""
        if self._left:
            names = ", ".join(f"`{self.at(name)}`" for name in sorted(self._left))
            raise unsupported(names)

    def rest(self) -> dict[str, Json]:
        """Take all that is left, for another reader to check."""
        left = self._left
        self._left = {}
        return left

    def object(self, name: str) -> "Fields | None":
        value = self.take(name)
        return None if value is None else Fields(value, self.at(name))

    def items(self, name: str) -> list[Json] | None:
        value = self.take(name)
        if value is None or isinstance(value, list):
            return value
        raise expected(self.at(name), value, "a list")

    def text(self, name: str) -> str | None:
        value = self.take(name)
        return None if value is None else as_text(value, self.at(name))

    def texts(self, name: str) -> list[str] | None:
        items = self.items(name)
        if items is None:
            return None
        return [as_text(item, f"{self.at(name)}[{i}]") for i, item in enumerate(items)]

    def integer(self, name: str, *, least: int = 0) -> int | None:
        value = self.take(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise expected(self.at(name), value, f"an integer of at least {least}")
        return value

    def number(self, name: str) -> float | None:
        value = self.take(name)
        return None if value is None else as_number(value, self.at(name))

    def flag(self, name: str) -> bool | None:
        value = self.take(name)
        if value is None or isinstance(value, bool):
            return value
        raise expected(self.at(name), value, "true or false")

    def choice(self, name: str, kind: type[Kind]) -> Kind | None:
        value = self.take(name)
        return None if value is None else as_choice(value, kind, self.at(name))


def as_text(value: Json, where: str) -> str:
    if not isinstance(value, str):
        raise expected(where, value, "a string")
    return value


def as_number(value: Json, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise expected(where, value, "a number")
    return float(value)


def as_choice(value: Json, kind: type[Kind], where: str) -> Kind:
    """Find the engine's enumeration member for Qdrant's spelling of it."""
    # the engine's enumerations cannot be iterated: their members are class attributes
    members = {name.lower().replace("_", ""): name for name in dir(kind) if name[0].isupper()}
    name = members.get(value.lower().replace("_", "")) if isinstance(value, str) else None
    if name is None:
        raise expected(where, value, f"one of {', '.join(sorted(members.values()))}")
    member: Kind = getattr(kind, name)
    return member
