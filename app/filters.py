"""Filters from callers: the short form made whole, all checked before the store sees them."""

from collections.abc import Mapping

from app.problems import invalid
from pipelines.filters import FilterRefused, checked_filters


def to_haystack(filters: Mapping[str, object] | None) -> dict[str, object] | None:
    """Return Haystack's form of `{"document": "a.pdf"}`, or of a filter that is in it already."""
    if not filters:
        return None
    whole = dict(filters) if "operator" in filters else _spelled_out(filters)
    try:
        return checked_filters(whole)
    except FilterRefused as refusal:
        msg = f"filters cannot be used: {refusal}"
        raise invalid(msg) from None


def _spelled_out(filters: Mapping[str, object]) -> dict[str, object]:
    conditions = [
        {
            "field": f"meta.{field.removeprefix('meta.')}",
            "operator": "in" if isinstance(value, list) else "==",
            "value": value,
        }
        for field, value in filters.items()
    ]
    return {"operator": "AND", "conditions": conditions}
