"""Haystack filters from users, held to what they may ask."""

import re
from typing import Any

# The chunks' own fields that may be asked for; the hidden ones are ours alone.
OWN_FIELDS = ("meta.document", "meta.document_id", "meta.page")
HIDDEN_FIELDS = frozenset(("meta.span", "meta.revision", "meta.readers"))

COMPARISONS = frozenset(("==", "!=", ">", ">=", "<", "<=", "in", "not in"))
GROUPS = frozenset(("AND", "OR", "NOT"))
MAX_CONDITIONS = 64
MAX_DEPTH = 8
MAX_VALUES = 256

_FIELD = re.compile(r"meta\.[A-Za-z_][A-Za-z0-9_]{0,63}")


class FilterRefused(ValueError):
    """A filter that is not one, or asks for what it may not."""


def checked_filters(filters: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the filter rebuilt from its known parts, or raise FilterRefused with the reason."""
    if not filters:
        return None
    budget = [MAX_CONDITIONS]
    return _checked(filters, depth=1, budget=budget)


def _checked(node: object, *, depth: int, budget: list[int]) -> dict[str, Any]:
    if not isinstance(node, dict):
        msg = f"a filter is {type(node).__name__}: expected an object"
        raise FilterRefused(msg)
    budget[0] -= 1
    if depth > MAX_DEPTH or budget[0] < 0:
        msg = f"the filter is too large: at most {MAX_CONDITIONS} conditions, {MAX_DEPTH} deep"
        raise FilterRefused(msg)
    return _group(node, depth, budget) if "conditions" in node else _comparison(node)


def _group(node: dict[str, Any], depth: int, budget: list[int]) -> dict[str, Any]:
    operator, conditions = node.get("operator"), node["conditions"]
    if not isinstance(operator, str) or operator not in GROUPS:
        msg = f"operator is {operator!r}: expected {', '.join(sorted(GROUPS))} beside conditions"
        raise FilterRefused(msg)
    # An empty group matches everything in Qdrant.
    if not isinstance(conditions, list) or not conditions:
        msg = "conditions is empty: expected a list of one or more"
        raise FilterRefused(msg)
    inner = [_checked(child, depth=depth + 1, budget=budget) for child in conditions]
    return {"operator": operator, "conditions": inner}


def _comparison(node: dict[str, Any]) -> dict[str, Any]:
    field, operator, value = node.get("field"), node.get("operator"), node.get("value")
    if not isinstance(field, str) or not _FIELD.fullmatch(field) or field in HIDDEN_FIELDS:
        known = ", ".join(OWN_FIELDS)
        msg = f"field is {field!r}: expected {known} or meta.<a field of your own>"
        raise FilterRefused(msg)
    if not isinstance(operator, str) or operator not in COMPARISONS:
        msg = f"operator is {operator!r}: expected one of {', '.join(sorted(COMPARISONS))}"
        raise FilterRefused(msg)
    _check_value(field, operator, value)
    return {"field": field, "operator": operator, "value": value}


def _check_value(field: str, operator: str, value: object) -> None:
    if operator in ("in", "not in"):
        # Qdrant reads an empty list as "matches everything".
        valid = isinstance(value, list) and 0 < len(value) <= MAX_VALUES
        valid = valid and all(isinstance(item, str | int) for item in _items(value))
        expected = f"a list of 1 to {MAX_VALUES} strings or whole numbers"
    elif operator in ("==", "!="):
        valid, expected = isinstance(value, str | int | float), "a string, a number or a boolean"
    else:
        valid = isinstance(value, int | float) and not isinstance(value, bool)
        expected = "a number"
    if not valid:
        msg = f"value of {field} {operator} is {value!r}: expected {expected}"
        raise FilterRefused(msg)


def _items(value: object) -> list[object]:
    return value if isinstance(value, list) else []
