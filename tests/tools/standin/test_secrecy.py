"""What is secret in the inputs is secret wherever it shows up again."""

import base64
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tools.standin.doubles import shown
from tools.standin.secrecy import Redactor, concealed
from tools.standin.wire import UNKNOWN, Secret, decode, encode, has_unknown, plain

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
        | inner.map(Secret)
    ),
    max_leaves=12,
)


@settings(max_examples=60)
@given(st.dictionaries(st.text(max_size=5), VALUES, max_size=4))
def test_what_is_written_for_the_engine_reads_back(value: dict[str, Any]) -> None:
    assert decode(encode(value)) == value


def test_unknown_values_are_found_inside_secrets() -> None:
    value = decode(encode({"a": [Secret({"b": UNKNOWN})]}))

    assert has_unknown(value)
    assert not has_unknown({"a": [Secret("b")]})


def test_a_secret_list_item_stays_secret_when_the_server_adds_items() -> None:
    inputs = {"env": [{"name": "A", "value": Secret("very-secret")}]}
    outputs = {"env": [{"name": "B", "value": "x"}, {"name": "A", "value": "very-secret"}]}

    marked = concealed(outputs, inputs)

    assert "very-secret" not in shown(marked)
    assert plain(marked) == outputs


def test_a_copy_of_a_secret_is_secret_too() -> None:
    encoded = base64.b64encode(b"very-secret").decode()
    outputs = {"a": "very-secret", "note": "key=very-secret", "b": encoded, "c": "open"}

    marked = concealed(outputs, {"a": Secret("very-secret")})

    assert "very-secret" not in shown(marked)
    assert encoded not in shown(marked)
    assert marked["c"] == "open"


def test_the_data_of_a_secret_object_is_masked_both_ways() -> None:
    redactor = Redactor()
    encoded = base64.b64encode(b"very-secret").decode()
    redactor.learn({"apiVersion": "v1", "kind": "Secret", "data": {"k": encoded}})

    assert redactor.clean(f"got very-secret and {encoded}") == "got [secret] and [secret]"


def test_a_log_line_loses_what_looks_like_a_credential() -> None:
    line = 'level=info api_key="abc123" Authorization: Bearer xyz.1 user=ann'

    assert Redactor().clean_log(line) == (
        'level=info api_key="[secret]" Authorization: [secret] user=ann'
    )
