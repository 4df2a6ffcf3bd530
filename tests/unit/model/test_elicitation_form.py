"""Answers to forms, against the schemas that the SDK makes of a tool's model, and against others that MCP allows."""

from __future__ import annotations

import time
from datetime import date, datetime
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.server.elicitation import render_elicitation_schema
from pydantic import AnyUrl, BaseModel, ConfigDict, Field

from mcptasks.model.base import JsonObject
from mcptasks.model.elicitation_form import misfit


class Order(BaseModel):
    model_config = ConfigDict(extra="forbid")

    colour: Literal["red", "green"]
    size: Literal[1, 2] = 1
    count: int = Field(1, ge=1, le=9)
    weight: float = Field(0.5, gt=0)
    gift: bool = False
    day: date | None = None
    at: datetime | None = None
    site: AnyUrl | None = None
    name: str | None = Field(None, min_length=2, max_length=4, pattern="^[a-z]+$")
    extras: list[Literal["a", "b"]] = Field(default=[], max_length=2)


SCHEMA = render_elicitation_schema(Order)
MISFITS: list[tuple[JsonObject, str]] = [
    ({"colour": "blue"}, "colour: must be one of 'red', 'green'"),
    ({"colour": 1}, "colour: must be a text"),
    ({"colour": None}, "colour: must be a text"),
    ({}, "colour: is required"),
    ({"size": 3}, "size: must be one of 1, 2"),
    ({"count": "many"}, "count: must be an integer"),
    ({"count": 1.5}, "count: must be an integer"),
    ({"count": 0}, "count: must be at least 1"),
    ({"count": 10}, "count: must be at most 9"),
    ({"count": None}, "count: must be an integer"),
    ({"weight": 0}, "weight: must be more than 0"),
    ({"weight": "heavy"}, "weight: must be a number"),
    ({"gift": "maybe"}, "gift: must be true or false"),
    ({"day": "someday"}, "day: must have the format date"),
    ({"at": "noon"}, "at: must have the format date-time"),
    ({"site": "here"}, "site: must have the format uri"),
    ({"name": "x"}, "name: must have at least 2 characters"),
    ({"name": "xxxxx"}, "name: must have at most 4 characters"),
    ({"name": "X1"}, "name: must match ^[a-z]+$"),
    ({"extras": ["a", "c"]}, "extras: entry 2 must be one of 'a', 'b'"),
    ({"extras": ["a", "a", "a"]}, "extras: must have at most 2 entries"),
    ({"extras": "a"}, "extras: must be a list"),
    ({"other": 1}, "other: was not asked for"),
]


@pytest.mark.parametrize(("content", "why"), MISFITS)
def test_what_does_not_fit_is_named(content: JsonObject, why: str) -> None:
    answer = content if "colour" in content or not content else {"colour": "red", **content}
    assert misfit(SCHEMA, answer) == why
    with pytest.raises(ValueError, match="validation error"):
        Order.model_validate(answer)


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"size": 2, "count": 9, "weight": 1, "gift": True, "extras": ["b", "a"]},
        {"count": 3.0},
        {"day": "2026-11-30", "at": "2026-11-30T12:00:00Z", "site": "https://example.org", "name": "abc"},
        {"day": None, "at": None, "name": None},
    ],
)
def test_what_fits_is_taken(content: JsonObject) -> None:
    answer = {"colour": "red", **content}
    assert misfit(SCHEMA, answer) is None
    Order.model_validate(answer)


@pytest.mark.parametrize(
    ("schema", "wrong", "right"),
    [
        ({"type": "string", "oneOf": [{"const": "r", "title": "Red"}]}, "Red", "r"),
        ({"type": "array", "items": {"anyOf": [{"const": "r", "title": "Red"}]}}, ["Red"], ["r"]),
        ({"type": "string", "enum": ["r"], "enumNames": ["Red"]}, "Red", "r"),
        ({"type": "string", "format": "email"}, "nobody", "ann@example.org"),
        ({"type": "array", "minItems": 1}, [], ["r"]),
        ({"exclusiveMaximum": 2}, 2, 1),
        ({"const": 1}, True, 1),
        ({"type": "integer", "multipleOf": 5}, 7, 10),
        ({"type": "number", "multipleOf": 0.5}, 0.75, 1.5),
    ],
)
def test_other_forms_that_mcp_allows(schema: JsonObject, wrong: object, right: object) -> None:
    form: JsonObject = {"type": "object", "properties": {"x": schema}}
    assert misfit(form, {"x": wrong}) is not None
    assert misfit(form, {"x": right}) is None


@pytest.mark.parametrize("text", ["Ann <ann@example.org>", "@a@b", "a @b c@d e@", "é@ü"])
def test_an_email_address_may_stand_in_other_text(text: str) -> None:
    assert misfit({"properties": {"x": {"format": "email"}}}, {"x": text}) is None


@pytest.mark.parametrize("text", ["", "@", "a@", "@b", "a @ b", "a@ b", "a @b", "a@@b"])
def test_no_email_address_in_it(text: str) -> None:
    assert misfit({"properties": {"x": {"format": "email"}}}, {"x": text}) is not None


@pytest.mark.parametrize("form", ["email", "uri", "date", "date-time"])
@pytest.mark.parametrize("text", ["a", "@", "a@ ", "http://é.", "9", "mailto:a", "2026-11-30T"])
def test_no_text_makes_a_format_slow(form: str, text: str) -> None:
    began = time.process_time()
    misfit({"properties": {"x": {"type": "string", "format": form}}}, {"x": text * (64 * 1024 // len(text))})
    assert time.process_time() - began < 1


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
KEYWORDS = ["type", "enum", "const", "oneOf", "anyOf", "minimum", "minLength", "maxItems", "format", "pattern", "items"]
keywords = st.sampled_from([*KEYWORDS, "default"])


@given(schema=st.dictionaries(keywords, json_values), value=json_values, required=json_values, properties=st.booleans())
def test_a_schema_that_is_not_one_breaks_nothing(
    schema: JsonObject, value: object, required: object, properties: bool
) -> None:
    misfit({"properties": {"x": schema} if properties else schema, "required": required}, {"x": value})


def test_a_pattern_that_is_not_one_is_not_checked() -> None:
    assert misfit({"properties": {"x": {"type": "string", "pattern": "(?=a)("}}}, {"x": "b"}) is None
