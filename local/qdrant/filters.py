"""Qdrant's filter language to the engine's."""

# the engine's stub names unions that do not exist at run time
from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import cast

import qdrant_edge as edge

from local.qdrant.errors import bad_request, format_error, unsupported
from local.qdrant.fields import Fields, Json, as_text, expected
from local.qdrant.points import point_id

FIELD_KINDS = ("match", "range", "values_count", "is_empty", "is_null")
BOUNDS = ("gt", "gte", "lt", "lte")


def read_filter(value: Json, where: str) -> edge.Filter | None:
    return None if value is None else required_filter(value, where)


def required_filter(value: Json, where: str) -> edge.Filter:
    fields = Fields(value, where)
    must = _conditions(fields.take("must"), fields.at("must"))
    should = _conditions(fields.take("should"), fields.at("should"))
    must_not = _conditions(fields.take("must_not"), fields.at("must_not"))
    min_should = fields.object("min_should")
    fields.finish()
    return edge.Filter(
        must=must,
        should=should,
        must_not=must_not,
        min_should=None if min_should is None else _min_should(min_should),
    )


def _min_should(fields: Fields) -> edge.MinShould:
    conditions = _conditions(fields.required("conditions"), fields.at("conditions"))
    count = fields.integer("min_count")
    fields.finish()
    if count is None:
        message = f"missing field `{fields.at('min_count')}`"
        raise format_error(message)
    return edge.MinShould(conditions=conditions or [], min_count=count)


def _conditions(value: Json, where: str) -> list[edge.ConditionType] | None:
    if value is None:
        return None
    if isinstance(value, dict):
        return [_condition(value, where)]
    if isinstance(value, list):
        return [_condition(item, f"{where}[{i}]") for i, item in enumerate(value)]
    raise expected(where, value, "a condition or a list of conditions")


def _condition(value: Json, where: str) -> edge.ConditionType:
    fields = Fields(value, where)
    if "nested" in fields:
        nested = Fields(fields.take("nested"), fields.at("nested"))
        condition: edge.ConditionType = edge.NestedCondition(
            as_text(nested.required("key"), nested.at("key")),
            required_filter(nested.required("filter"), nested.at("filter")),
        )
        nested.finish()
    elif "key" in fields:
        condition = _field_condition(fields)
    elif "has_id" in fields:
        ids = fields.items("has_id") or []
        condition = edge.HasIdCondition({point_id(item, fields.at("has_id")) for item in ids})
    elif "has_vector" in fields:
        condition = edge.HasVectorCondition(fields.text("has_vector") or "")
    elif "is_empty" in fields:
        condition = edge.IsEmptyCondition(_key(fields.take("is_empty"), fields.at("is_empty")))
    elif "is_null" in fields:
        condition = edge.IsNullCondition(_key(fields.take("is_null"), fields.at("is_null")))
    else:
        return required_filter(value, where)
    fields.finish()
    return condition


def _key(value: Json, where: str) -> str:
    fields = Fields(value, where)
    key = as_text(fields.required("key"), fields.at("key"))
    fields.finish()
    return key


def _field_condition(fields: Fields) -> edge.FieldCondition:
    key = as_text(fields.required("key"), fields.at("key"))
    asked = [kind for kind in FIELD_KINDS if kind in fields]
    if len(asked) > 1:
        what = f"{' and '.join(asked)} in one condition `{fields.where}`; write one condition each"
        raise unsupported(what)
    if not asked:
        fields.finish()
        message = f"`{fields.where}` must say one of {', '.join(FIELD_KINDS)}"
        raise bad_request(message)
    match = fields.object("match")
    span = fields.object("range")
    count = fields.object("values_count")
    return edge.FieldCondition(
        key=key,
        match=None if match is None else _match(match),
        range=None if span is None else _range(span),
        values_count=None if count is None else _values_count(count),
        is_empty=fields.flag("is_empty"),
        is_null=fields.flag("is_null"),
    )


class _Truth:
    """A boolean that the engine's binding does not take for the integers 0 and 1.

    It tries integers first, which bool is in Python, so `true` would match nothing. The binding
    knows numpy's booleans by name, and they are no integers.
    """

    def __init__(self, value: bool) -> None:
        self._value = value

    def __bool__(self) -> bool:
        return self._value


_Truth.__module__, _Truth.__name__ = "numpy", "bool_"


TEXT_MATCHES: dict[str, Callable[[str], edge.MatchType]] = {
    "text": edge.MatchText,
    "text_any": edge.MatchTextAny,
    "phrase": edge.MatchPhrase,
    "prefix": edge.MatchPrefix,
    "substring": edge.MatchSubstring,
}


def _match(fields: Fields) -> edge.MatchType:
    match: edge.MatchType | None = None
    if "value" in fields:
        value = fields.take("value")
        if not isinstance(value, bool | int | str):
            raise expected(fields.at("value"), value, "a string, an integer or a boolean")
        match = edge.MatchValue(cast(bool, _Truth(value)) if isinstance(value, bool) else value)
    elif "any" in fields:
        match = edge.MatchAny(_variants(fields, "any"))
    elif "except" in fields:
        match = edge.MatchExcept(_variants(fields, "except"))
    else:
        for name, kind in TEXT_MATCHES.items():
            text = fields.text(name)
            if text is not None:
                match = kind(text)
                break
    fields.finish()
    if match is None:
        message = f"`{fields.where}` must say value, any, except or {', '.join(TEXT_MATCHES)}"
        raise format_error(message)
    return match


def _variants(fields: Fields, name: str) -> list[str] | list[int]:
    where, items = fields.at(name), fields.items(name) or []
    texts = [item for item in items if isinstance(item, str)]
    numbers = [item for item in items if isinstance(item, int) and not isinstance(item, bool)]
    if len(texts) == len(items):
        return texts
    if len(numbers) == len(items):
        return numbers
    raise expected(where, items, "a list of strings or a list of integers")


def _range(fields: Fields) -> edge.RangeType:
    bounds = {name: fields.take(name) for name in BOUNDS}
    fields.finish()
    if any(isinstance(bound, str) for bound in bounds.values()):
        return edge.RangeDateTime(**{n: _moment(v, fields.at(n)) for n, v in bounds.items()})
    numbers = Fields(dict(bounds), fields.where)
    return edge.RangeFloat(**{name: numbers.number(name) for name in BOUNDS})


def _moment(value: Json, where: str) -> str | None:
    if value is None:
        return None
    text = as_text(value, where)
    try:
        datetime.fromisoformat(text)
    except ValueError as error:
        raise expected(where, value, "a date and time in RFC 3339") from error
    return text


def _values_count(fields: Fields) -> edge.ValuesCount:
    count = edge.ValuesCount(**{name: fields.integer(name) for name in BOUNDS})
    fields.finish()
    return count
