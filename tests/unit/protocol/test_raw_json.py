"""Where the members of an object are in its text."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from mcptasks.protocol.raw_json import MAX_MEMBERS, NotCompactJsonError, members


def some_value(numbers: random.Random, depth: int) -> Any:
    choice = numbers.random()
    if depth == 0 or choice < 0.3:
        return numbers.choice([1, -2.5, 'a"\\b\u00e9\n{[', "]},:", True, None, 1e20, ""])
    if choice < 0.65:
        return [some_value(numbers, depth - 1) for _ in range(numbers.randrange(5))]
    return {f'{number}"k': some_value(numbers, depth - 1) for number in range(numbers.randrange(4))}


@pytest.mark.parametrize("seed", range(50))
def test_each_member_is_where_it_says(seed: int) -> None:
    numbers = random.Random(seed)
    value = {name: some_value(numbers, 6) for name in ("content", "structuredContent", "isError", "_meta")}
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=bool(seed % 2))
    assert {each.name: json.loads(text[each.start : each.end]) for each in members(text)} == value


def test_large_values_are_cut_as_small_ones_are() -> None:
    value = {"a": [{}] * 500_000, "b": {"c": "x" * 2_000_000}, "d": ["\\\"'[{"] * 300_000, "e": [[[1]]] * 100_000}
    text = json.dumps(value)
    assert {each.name: json.loads(text[each.start : each.end]) for each in members(text)} == value


UNCLOSED = ("", "{", '{"a":1', '{"a":"x}', '{"a":[1}')
CLOSED_TOO_OFTEN = ('{"a":1}}', '{"a":1}{', '{"a":]}', '{"a":[1,2}}]', '{"a":1},"b":2}')
NO_OBJECT = ("1", "[]", "x{}")
WITH_LINES = ('{"a":\n1}', '{"a":"\n"}')
MANY = json.dumps(dict.fromkeys(map(str, range(MAX_MEMBERS + 1))))


@pytest.mark.parametrize("text", [*UNCLOSED, *CLOSED_TOO_OFTEN, *NO_OBJECT, *WITH_LINES, MANY])
def test_what_cannot_be_cut_is_an_error(text: str) -> None:
    with pytest.raises(NotCompactJsonError):
        members(text)


@pytest.mark.parametrize("inner", ['}},"id":7,"x":{{', ']},"b":1', '"},"b":"', '\\"},"b":"\\"', "\n\ndata: {}\n\n"])
def test_no_value_breaks_out_of_its_place(inner: str) -> None:
    text = f'{{"structuredContent":{{"a":{inner}}},"isError":false}}'
    try:
        cut = [text[each.start : each.end] for each in members(text) if each.name == "structuredContent"]
    except NotCompactJsonError:
        return
    for value in cut:
        whole = f'{{"result":{{"structuredContent":{value}}},"id":1}}'
        try:
            assert json.loads(whole).keys() == {"result", "id"}
        except ValueError:
            continue
