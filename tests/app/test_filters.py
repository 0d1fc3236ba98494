"""Filters: translated, and refused before they can match everything."""

import pytest

from app.filters import to_haystack
from app.problems import Problem


def test_the_short_form_becomes_conditions() -> None:
    assert to_haystack({"document": "a.pdf", "page": [1, 2]}) == {
        "operator": "AND",
        "conditions": [
            {"field": "meta.document", "operator": "==", "value": "a.pdf"},
            {"field": "meta.page", "operator": "in", "value": [1, 2]},
        ],
    }


def test_haystacks_form_passes() -> None:
    given = {
        "operator": "NOT",
        "conditions": [{"field": "meta.document_id", "operator": "in", "value": ["x"]}],
    }

    assert to_haystack(given) == given


def test_no_filter_is_none() -> None:
    assert to_haystack(None) is None
    assert to_haystack({}) is None


@pytest.mark.parametrize(
    ("filters", "reason"),
    [
        ({"document": []}, "a list of 1 to"),
        ({"document_id": {"$ne": ""}}, "expected a string"),
        ({"operator": "drop", "field": "meta.document", "value": "a"}, "expected one of"),
    ],
)
def test_what_the_store_would_misread_is_refused(filters: dict[str, object], reason: str) -> None:
    with pytest.raises(Problem) as caught:
        to_haystack(filters)

    assert caught.value.status_code == 422
    assert reason in str(caught.value.explanation)
