"""JSON numbers and text, quantities, durations."""

from __future__ import annotations

import json
from datetime import UTC
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcptasks_embedded.values import json_values, times
from mcptasks_embedded.values.quantity import format_quantity, parse_quantity


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


@pytest.mark.parametrize(
    ("text", "value"),
    [("2", "2"), ("500m", "0.5"), ("1Ki", "1024"), ("1.5Gi", "1610612736"), ("1k", "1000"), ("1e3", "1000"), (3, "3")],
)
def test_quantities(text: str | int, value: str) -> None:
    assert parse_quantity(text) == Decimal(value)


@pytest.mark.parametrize(
    ("amount", "binary", "text"),
    [
        ("0", True, "0"),
        ("2", False, "2"),
        ("1000", False, "1k"),
        ("1500", False, "1500"),
        ("0.5", False, "500m"),
        ("1024", True, "1Ki"),
        ("1610612736", True, "1536Mi"),
        ("1000", True, "1000"),
    ],
)
def test_canonical_quantities(amount: str, binary: bool, text: str) -> None:
    assert format_quantity(Decimal(amount), binary=binary) == text


@pytest.mark.parametrize("text", ["", "x", "1x", "1 Gi"])
def test_bad_quantities(text: str) -> None:
    with pytest.raises(ValueError):
        parse_quantity(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (125, "2m5s"),
        (659, "10m"),
        (3599, "59m"),
        (10800, "3h"),
        (11000, "3h3m"),
        (30000, "8h"),
        (200000, "2d7h"),
        (900000, "10d"),
        (70000000, "2y80d"),
        (-5, "<invalid>"),
    ],
)
def test_durations(seconds: int, text: str) -> None:
    assert times.human_duration(seconds) == text


def test_times_need_a_zone() -> None:
    assert times.stamp(times.parse("2026-01-02T03:04:05+02:00").astimezone(UTC)) == "2026-01-02T01:04:05Z"
    with pytest.raises(ValueError):
        times.parse("2026-01-02T03:04:05")
