"""`--arg key=value` is read by the tool's input schema."""

from __future__ import annotations

from typing import Any

import pytest

from mcptasks.cli.argument_values import ArgumentError, parse_arguments
from mcptasks.model.base import JsonObject

SCHEMA: JsonObject = {
    "type": "object",
    "properties": {
        "text": {"type": "string"},
        "count": {"type": "integer"},
        "ratio": {"type": "number"},
        "flag": {"type": "boolean"},
        "maybe": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "either": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
        "listed": {"type": ["integer", "null"]},
        "names": {"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}]},
        "numbers": {"type": "array", "items": {"type": "integer"}},
        "options": {"$ref": "#/$defs/Options"},
        "colour": {"enum": ["red", "green"]},
        "anything": {},
    },
    "$defs": {"Options": {"type": "object"}},
}


@pytest.mark.parametrize(
    ("pair", "value"),
    [
        ("text=5", "5"),
        ("text=true", "true"),
        ("text=a=b", "a=b"),
        ("text=", ""),
        ("count=5", 5),
        ("ratio=5", 5),
        ("ratio=0.5", 0.5),
        ("flag=true", True),
        ("maybe=null", None),
        ("maybe=hello", "hello"),
        ("maybe=5", "5"),
        ("either=5", 5),
        ("either=five", "five"),
        ("listed=7", 7),
        ('names=["a", "b"]', ["a", "b"]),
        ("names=a", ["a"]),
        ("numbers=[1]", [1]),
        ("numbers=1", [1]),
        ('options={"a": 1}', {"a": 1}),
        ("colour=red", "red"),
        ("anything=5", 5),
        ("anything=five", "five"),
    ],
)
def test_a_value_has_the_type_that_the_schema_wants(pair: str, value: Any) -> None:
    parsed = parse_arguments([pair], None, SCHEMA)
    assert parsed == {pair.partition("=")[0]: value}
    assert type(next(iter(parsed.values()))) is type(value)


def test_a_key_given_several_times_makes_a_list() -> None:
    assert parse_arguments(["names=5", "names=b"], None, SCHEMA) == {"names": ["5", "b"]}
    assert parse_arguments(["numbers=1", "numbers=2"], None, SCHEMA) == {"numbers": [1, 2]}


def test_pairs_go_on_top_of_json() -> None:
    assert parse_arguments(["count=2"], '{"count": 1, "text": "x"}', SCHEMA) == {"count": 2, "text": "x"}


def test_json_is_passed_on_as_it_is() -> None:
    assert parse_arguments([], '{"unknown": [1.0, null]}', SCHEMA) == {"unknown": [1.0, None]}


@pytest.mark.parametrize(
    ("pairs", "text", "message"),
    [
        (["count=many"], None, "--arg count=many: the tool wants an integer"),
        (["count=1.5"], None, "the tool wants an integer"),
        (["count=true"], None, "the tool wants an integer"),
        (["flag=1"], None, "the tool wants a boolean"),
        (["numbers=a"], None, "the tool wants an array"),
        (["count=1", "count=2"], None, "takes one value"),
        (["conut=1"], None, "no argument 'conut'; it has: text, count"),
        (["count"], None, "not of the form key=value"),
        (["=1"], None, "not of the form key=value"),
        ([], "[1]", "must be an object"),
        ([], "{", "--json is not JSON"),
    ],
)
def test_what_cannot_be_read_is_explained(pairs: list[str], text: str | None, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        parse_arguments(pairs, text, SCHEMA)
    assert message in str(caught.value)


def test_a_tool_without_arguments_says_so() -> None:
    with pytest.raises(ArgumentError, match="it takes none"):
        parse_arguments(["a=1"], None, {"type": "object", "additionalProperties": False})


def test_a_tool_that_takes_any_argument_gets_it() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": True}
    assert parse_arguments(["b=1"], None, schema) == {"b": 1}


NEEDY: JsonObject = SCHEMA | {"required": ["text", "colour"]}


def test_what_the_tool_needs_is_asked_for_before_the_call() -> None:
    with pytest.raises(ArgumentError, match=r"the tool needs --arg text=\.\.\. \(a string\), --arg colour=\.\.\. \("):
        parse_arguments(["count=5"], None, NEEDY)
    with pytest.raises(ArgumentError, match="the tool needs --arg colour="):
        parse_arguments([], '{"text": "a"}', NEEDY)
    assert parse_arguments(["colour=red"], '{"text": "a"}', NEEDY) == {"text": "a", "colour": "red"}


def test_a_name_that_the_schema_does_not_tell_may_stand_for_what_is_missing() -> None:
    assert parse_arguments([], '{"title": "a", "colour": "red"}', NEEDY) == {"title": "a", "colour": "red"}
