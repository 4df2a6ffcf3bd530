"""What a text means in a field of a question."""

from __future__ import annotations

from typing import Any

import pytest

from mcptasks.cli.question_form import AnswerError, AnswerSheet, FormField, fields_of, with_defaults
from mcptasks.model.base import JsonObject

FLAG: JsonObject = {"type": "boolean"}
NUMBER: JsonObject = {"type": "integer", "minimum": 1, "maximum": 9}
TEXT: JsonObject = {"type": "string", "minLength": 2}
CHOICE: JsonObject = {"type": "string", "enum": ["r", "g"], "enumNames": ["Red", "Green"]}
TITLED: JsonObject = {"oneOf": [{"const": "r", "title": "Red"}, {"const": "g", "title": "Green"}]}
NUMBERS: JsonObject = {"enum": [1, 2]}
SEVERAL: JsonObject = {"type": "array", "items": {"type": "string", "enum": ["a", "b", "c"]}, "maxItems": 2}
PERHAPS: JsonObject = {"anyOf": [{"type": "integer"}, {"type": "null"}]}


@pytest.mark.parametrize(
    ("schema", "texts", "value"),
    [
        (FLAG, ["yes"], True),
        (FLAG, [" N "], False),
        (FLAG, ["true"], True),
        (NUMBER, [" 5 "], 5),
        (PERHAPS, ["7"], 7),
        ({"type": "number"}, ["1.5"], 1.5),
        (TEXT, ["true"], "true"),
        (TEXT, [" kept "], " kept "),
        (CHOICE, ["r"], "r"),
        (CHOICE, ["green"], "g"),
        (TITLED, ["Green"], "g"),
        (NUMBERS, ["2"], 2),
        (SEVERAL, ["a, b"], ["a", "b"]),
        (SEVERAL, ["a", "c"], ["a", "c"]),
        (SEVERAL, ['["b"]'], ["b"]),
    ],
)
def test_a_text_is_read_as_the_field_wants(schema: JsonObject, texts: list[str], value: Any) -> None:
    read = FormField("x", schema).read(texts)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("schema", "texts", "message"),
    [
        (FLAG, ["perhaps"], "x: 'perhaps' is not yes or no"),
        (NUMBER, ["many"], "x: 'many' is not an integer"),
        (NUMBER, ["10"], "x: must be at most 9"),
        (NUMBER, ["1", "2"], "x takes one value"),
        (TEXT, ["a"], "x: must have at least 2 characters"),
        (CHOICE, ["blue"], r"x: 'blue' is not r \(Red\) or g \(Green\)"),
        (NUMBERS, ["3"], "x: '3' is not 1 or 2"),
        (SEVERAL, ["a,z"], "x: 'z' is not"),
        (SEVERAL, ["a,b,c"], "x: must have at most 2 entries"),
        ({"type": "string", "format": "date"}, ["soon"], "x: must have the format date"),
    ],
)
def test_what_does_not_fit_says_what_would(schema: JsonObject, texts: list[str], message: str) -> None:
    with pytest.raises(AnswerError, match=message):
        FormField("x", schema).read(texts)


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        (FLAG, "yes or no"),
        (TEXT, "text"),
        (NUMBER, "an integer"),
        (CHOICE, "r (Red) or g (Green)"),
        (TITLED, "r (Red) or g (Green)"),
        (SEVERAL, "a, b, c; several with commas"),
        (PERHAPS, "an integer"),
    ],
)
def test_a_field_says_what_one_types(schema: JsonObject, kind: str) -> None:
    assert FormField("x", schema).kind() == kind


FORM: JsonObject = {
    "type": "object",
    "properties": {"sure": FLAG, "keep": {**CHOICE, "default": "r"}, "note": TEXT},
    "required": ["sure"],
}


def test_what_is_missing_is_what_must_be_filled_in_and_has_no_default() -> None:
    fields = fields_of(FORM)
    assert [item.name for item in AnswerSheet.parse(["keep=g"]).missing(fields)] == ["sure"]
    assert AnswerSheet.parse(["sure=yes"]).missing(fields) == []


def test_defaults_alone_answer_nothing() -> None:
    fields = fields_of({"properties": {"sure": {**FLAG, "default": True}}})
    assert [item.name for item in AnswerSheet.parse(["other=1"]).missing(fields)] == ["sure"]


def test_answers_and_defaults_make_the_content() -> None:
    fields = fields_of(FORM)
    assert with_defaults(AnswerSheet.parse(["sure=y"]).filled(fields), fields) == {"sure": True, "keep": "r"}
    assert with_defaults(AnswerSheet.parse(["sure=n", "keep=g"]).filled(fields), fields) == {"sure": False, "keep": "g"}


@pytest.mark.parametrize("pair", ["sure", "=yes", ""])
def test_an_answer_has_a_key_and_a_value(pair: str) -> None:
    with pytest.raises(AnswerError, match="not of the form key=value"):
        AnswerSheet.parse([pair])


def test_a_choice_is_the_one_that_is_spelled_so_before_those_that_are_nearly() -> None:
    assert FormField("x", {"type": "string", "enum": ["RED", "red"]}).read(["red"]) == "red"
    swapped = {"oneOf": [{"const": "a", "title": "b"}, {"const": "b", "title": "a"}]}
    assert FormField("x", swapped).read(["b"]) == "b"
    assert FormField("x", CHOICE).read(["GREEN"]) == "g"
