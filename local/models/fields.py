"""Reads typed fields out of a request's JSON and reports every wrong one at once."""

from collections.abc import Mapping, Sequence

import orjson

from local.models.refusals import Refusal


def parse_object(body: bytes) -> Mapping[str, object]:
    """Return the JSON object of a request body."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Refusal(422, f"the body is not JSON: {error}", ["body: not JSON"]) from None
    if not isinstance(value, dict):
        raise Refusal(422, "the body is not a JSON object", ["body: not an object"])
    return value


class Fields:
    """One request; a field that is null counts as absent, as OpenAI's clients send it."""

    def __init__(self, values: Mapping[str, object]) -> None:
        self.values = values
        self.problems: list[str] = []

    def get(self, name: str) -> object:
        """Return the raw value, None where it is absent."""
        return self.values.get(name)

    def wrong(self, name: str, expected: str) -> None:
        """Remember that a field is not what it may be."""
        self.problems.append(f"{name}: {expected}")

    def text(self, name: str) -> str:
        """Return a required text that is not empty."""
        value = self.get(name)
        if isinstance(value, str) and value:
            return value
        self.wrong(name, "a text is required" if value is None else "must be a text, not empty")
        return ""

    def choice(self, name: str, options: Sequence[str], default: str | None) -> str | None:
        """Return one of the options, or the default where the field is absent."""
        value = self.get(name)
        if value is None:
            return default
        if isinstance(value, str) and value in options:
            return value
        self.wrong(name, f"must be one of {', '.join(options)}")
        return default

    def flag(self, name: str) -> bool:
        """Return a boolean, false where it is absent."""
        value = self.get(name)
        if value is None or isinstance(value, bool):
            return bool(value)
        self.wrong(name, "must be true or false")
        return False

    def integer(self, name: str, low: int, high: int) -> int | None:
        """Return a whole number within the bounds, None where it is absent."""
        value = self.get(name)
        if value is None:
            return None
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        self.wrong(name, f"must be a whole number from {low} to {high}")
        return None

    def number(self, name: str, low: float, high: float) -> float | None:
        """Return a number within the bounds, None where it is absent."""
        value = self.get(name)
        if value is None:
            return None
        if isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high:
            return float(value)
        self.wrong(name, f"must be a number from {low:g} to {high:g}")
        return None

    def texts(self, name: str) -> list[str]:
        """Return a required text, or list of texts, as a list; none of them empty."""
        value = self.get(name)
        items = [value] if isinstance(value, str) else value
        if not isinstance(items, list) or not items:
            self.wrong(name, "a text or a list of texts is required")
            return []
        found = [item for item in items if isinstance(item, str) and item]
        if len(found) != len(items):
            place = next(n for n, item in enumerate(items) if not (isinstance(item, str) and item))
            self.wrong(f"{name}[{place}]", "must be a text, not empty")
        return found

    def finish(self) -> None:
        """Stop the request with every wrong field in one answer."""
        if self.problems:
            raise Refusal(422, "; ".join(self.problems), self.problems)
