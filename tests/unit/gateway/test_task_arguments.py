"""A task's arguments, as its tool gets them."""

from __future__ import annotations

from typing import Any

import pytest

from mcptasks.gateway.task_arguments import (
    InvalidArgumentsError,
    arguments_text,
    equal_as_doubles,
    fault_of_spec,
)
from mcptasks.model.json_nesting import MAX_READ_LEVELS, MAX_SPEC_LEVELS
from tests.support.odd_objects import nested
from tests.unit.gateway.builders import a_task


@pytest.mark.parametrize("arguments", [None, {}])
def test_no_arguments_are_an_empty_object(arguments: Any) -> None:
    assert arguments_text(a_task(arguments=arguments)) == "{}"


def test_the_exact_text_is_passed_on_unchanged() -> None:
    text = '{ "big": 12345678901234567890, "one": 1.0 }'
    kept = {"big": 12345678901234567000, "one": 1}
    assert arguments_text(a_task(arguments=kept, argumentsText=text)) == text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[1]", "not a JSON object"),
        ('{"a": 2}', "do not agree"),
        ('{"a": 1, "b": 1}', "do not agree"),
        ('{"a": true}', "do not agree"),
        ('{"a": "1"}', "do not agree"),
    ],
)
def test_a_text_that_says_something_else_is_refused(text: str, why: str) -> None:
    with pytest.raises(InvalidArgumentsError, match=why):
        arguments_text(a_task(arguments={"a": 1}, argumentsText=text))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (1, 1.0, True),
        (12345678901234567890, 12345678901234567000, True),
        (10**400, 10**500, True),
        ({"a": [1, {"b": None}]}, {"a": [1.0, {"b": None}]}, True),
        (1, 2, False),
        (1, True, False),
        (0, False, False),
        (None, 0, False),
        (None, False, False),
        ("1", 1, False),
        ([1], [1, 2], False),
        ([1, 2], [2, 1], False),
        ({"a": 1}, {"b": 1}, False),
        ({"a": 1}, {"a": 1, "b": None}, False),
        ([], {}, False),
        ("é", "é", True),
    ],
)
def test_values_are_compared_with_their_numbers_as_doubles(one: Any, other: Any, same: bool) -> None:
    assert equal_as_doubles(one, other) is same
    assert equal_as_doubles(other, one) is same


@pytest.mark.parametrize(
    ("spec", "fine"),
    [
        ({}, True),
        ({"arguments": None}, True),
        ({"arguments": {"a": 1}}, True),
        ({"arguments": [1]}, False),
        ({"arguments": ""}, False),
        ({"arguments": False}, False),
        ({"arguments": {"a": nested(MAX_SPEC_LEVELS - 2)}}, True),
        ({"arguments": {"a": nested(MAX_SPEC_LEVELS - 1)}}, False),
        ({"request": {"meta": {"a": nested(MAX_READ_LEVELS)}}}, False),
    ],
)
def test_what_the_schema_lets_through_is_seen(spec: dict[str, Any], fine: bool) -> None:
    assert (fault_of_spec({"spec": spec}) is None) is fine
