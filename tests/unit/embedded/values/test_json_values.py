"""JSON numbers, text and equality."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcptasks_embedded.values import json_values


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", 1),
        ("1.0", 1),
        ("1e3", 1000),
        ("-0.0", 0),
        ("0.1", 0.1),
        ("9223372036854775807", 9223372036854775807),
        ("9223372036854775808", 9223372036854776000),
        ("12345678901234567890", 12345678901234567000),
        ("-9223372036854775808", -9223372036854775808),
        ("1e300", 1e300),
        ("123456789012345678901234567890", 123456789012345680000000000000.0),
    ],
)
def test_numbers(text: str, expected: float) -> None:
    value = json_values.loads(text.encode())
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999", "{", "[1,]", '{"a":1,}', "9" * 500])
def test_refused(text: str) -> None:
    with pytest.raises(ValueError):
        json_values.loads(text.encode())


def test_what_cannot_be_encoded_is_replaced() -> None:
    assert json_values.loads(b'{"\\ud800": ["\\udfff x"]}') == {"\ufffd": ["\ufffd x"]}
    assert json_values.loads(b'"\\ud83e\\udd8a"') == "🦊"
    assert json_values.loads(b'"\xff"') == "\ufffd"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(VALUES)
def test_encoding_again_changes_nothing_more(value: Any) -> None:
    once = json_values.normalise(value)
    assert json_values.normalise(once) == once
    assert json_values.equal_as_encoded(json_values.loads(json_values.dumps(once)), once)


@given(VALUES)
def test_equality_is_that_of_json(value: Any) -> None:
    assert json_values.equal_as_encoded(value, json.loads(json.dumps(value)))


def test_true_is_not_one() -> None:
    assert not json_values.equal_as_encoded({"a": True}, {"a": 1})
    assert json_values.equal_as_encoded({"a": 1, "b": 2}, {"b": 2, "a": 1})
