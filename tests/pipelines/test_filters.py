"""What a user's filter may ask, and what it may not."""

from typing import Any

import pytest

from pipelines.filters import FilterRefused, checked_filters


def comparison(field: str, operator: str, value: object) -> dict[str, Any]:
    return {"field": field, "operator": operator, "value": value}


def test_a_good_filter_passes_as_it_is() -> None:
    good = {
        "operator": "AND",
        "conditions": [
            comparison("meta.document", "in", ["a.pdf", "b.pdf"]),
            comparison("meta.page", ">=", 3),
            comparison("meta.team", "==", "blue"),
        ],
    }

    assert checked_filters(good) == good


@pytest.mark.parametrize("nothing", [None, {}])
def test_no_filter_is_no_filter(nothing: dict[str, Any] | None) -> None:
    assert checked_filters(nothing) is None


@pytest.mark.parametrize(
    "bad",
    [
        comparison("content", "==", "x"),
        comparison("document", "==", "a.pdf"),
        comparison("meta.span", "==", 1),
        comparison("meta.revision", "!=", "x"),
        comparison("meta.a.b", "==", "x"),
        comparison("meta.page", "like", 3),
        comparison("meta.document", "in", []),
        comparison("meta.document", "in", "a.pdf"),
        comparison("meta.document", "==", None),
        comparison("meta.document", ">", "a"),
        comparison("meta.document", "==", {"x": 1}),
        {"operator": "AND", "conditions": []},
        {"operator": "XOR", "conditions": [comparison("meta.page", "==", 1)]},
        {"operator": "AND", "conditions": ["meta.page"]},
        {"operator": "AND", "conditions": [comparison("meta.page", "==", 1)] * 65},
    ],
)
def test_what_matches_everything_or_hides_something_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(FilterRefused):
        checked_filters(bad)


def test_a_refusal_quotes_the_value_and_what_it_may_be() -> None:
    with pytest.raises(FilterRefused) as caught:
        checked_filters(comparison("meta.document", "in", []))

    assert str(caught.value) == (
        "value of meta.document in is []: expected a list of 1 to 256 strings or whole numbers"
    )


def test_a_filter_nested_without_end_is_refused() -> None:
    nested = comparison("meta.page", "==", 1)
    for _ in range(40):
        nested = {"operator": "NOT", "conditions": [nested]}

    with pytest.raises(FilterRefused, match="too large"):
        checked_filters(nested)
