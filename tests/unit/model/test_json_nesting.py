"""JSON of any depth can be read, without what is too deep."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mcptasks.model.json_nesting import cut, may_nest_deeper, nests_deeper
from tests.support.odd_objects import nested

DEEP = b'{"a":' + b"[" * 9000 + b"]" * 9000 + b',"b":{"c":"]}\\"[{"}}'


def test_what_is_too_deep_becomes_null_and_the_rest_stays() -> None:
    assert json.loads(cut(DEEP, 4)) == {"a": [[[None]]], "b": {"c": ']}"[{'}}


@pytest.mark.parametrize(
    "text", [b"", b"1", b'"[[[["', b'{"a":[{"b":[]}],"c":"\\\\"}', '{"é":["\\u005b"]}'.encode(), b"[1, 2]\n"]
)
def test_what_is_not_too_deep_stays_as_it_is(text: bytes) -> None:
    assert cut(text, 4) == text


def test_each_of_many_deep_places_is_cut() -> None:
    assert json.loads(cut(b'[{"a":[1,[2]]},{"a":{"b":{}}},[[[]]]]', 3)) == [
        {"a": [1, None]},
        {"a": {"b": None}},
        [[None]],
    ]


@pytest.mark.parametrize(
    ("value", "levels"), [(1, 0), ([], 1), ([[]], 2), ({"a": [1, {"b": "x"}]}, 3), (nested(5000), 5000)]
)
def test_levels_are_counted(value: Any, levels: int) -> None:
    assert not nests_deeper(value, levels)
    assert levels == 0 or nests_deeper(value, levels - 1)


def test_a_text_without_so_many_brackets_needs_no_look() -> None:
    assert not may_nest_deeper(b'[{"a":1}]', 2)
    assert may_nest_deeper(b'[{"a":[]}]', 2)
