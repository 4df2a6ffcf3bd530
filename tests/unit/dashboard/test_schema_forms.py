"""A schema as a form, and a filled-in form as an object."""

from __future__ import annotations

from typing import Any

import pytest

from mcptasks.dashboard.schema_forms import SchemaField, fields_of, form_of, read_form

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["name", "size", "kind", "nested"],
    "properties": {
        "name": {"type": "string", "minLength": 2, "description": "What it is called"},
        "size": {"type": "integer", "minimum": 1, "maximum": 9},
        "weight": {"anyOf": [{"type": "number"}, {"type": "null"}], "default": None, "title": "Weight in kg"},
        "fast": {"type": "boolean", "default": True},
        "kind": {"$ref": "#/$defs/Kind"},
        "tags": {"type": "array", "items": {"enum": ["a", "b"]}},
        "nested": {"type": "object"},
        "when": {"type": "string", "format": "date"},
        "colour": {"oneOf": [{"const": "r", "title": "Red"}, {"const": "g", "title": "Green"}]},
    },
    "$defs": {"Kind": {"enum": ["x", 2], "type": "string"}},
}
FIELDS = {field.name: field for field in fields_of(SCHEMA)}
FILLED = {
    "value.name": ["desk"],
    "value.size": ["3"],
    "value.kind": ["2"],
    "value.nested": ['{"a": [1]}'],
    "value.tags": ["a", "b"],
    "value.fast": ["true"],
    "value.colour": ["g"],
}


def read(**changes: list[str]) -> tuple[dict[str, Any], dict[str, str]]:
    form = FILLED | {f"value.{name}": texts for name, texts in changes.items()}
    found = read_form(list(FIELDS.values()), form)
    return found.value, dict(found.problems)


def test_each_property_is_a_field_of_its_kind() -> None:
    assert {name: field.kind for name, field in FIELDS.items()} == {
        "name": "text",
        "size": "integer",
        "weight": "number",
        "fast": "boolean",
        "kind": "choice",
        "tags": "choices",
        "nested": "json",
        "when": "text",
        "colour": "choice",
    }
    assert FIELDS["size"].limits == {"min": "1", "max": "9"}
    assert FIELDS["when"].input_type == "date"
    assert FIELDS["weight"].title == "Weight in kg"
    assert [choice.title for choice in FIELDS["colour"].choices] == ["Red", "Green"]
    assert [field.name for field in FIELDS.values() if field.required] == ["name", "size", "kind", "nested"]


def test_a_filled_in_form_is_an_object_of_the_schemas_types() -> None:
    value, problems = read(weight=["1.5"])
    assert problems == {}
    assert value == {
        "name": "desk",
        "size": 3,
        "weight": 1.5,
        "fast": True,
        "kind": 2,
        "tags": ["a", "b"],
        "nested": {"a": [1]},
        "colour": "g",
    }


def test_what_is_left_empty_is_left_out() -> None:
    value, problems = read(weight=[""], colour=[""], tags=[], fast=[])
    assert problems == {}
    assert "weight" not in value
    assert "colour" not in value
    assert (value["fast"], value["tags"]) == (False, [])


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("size", "3.5", "is no whole number"),
        ("size", "", "is required"),
        ("weight", "much", "is no number"),
        ("kind", "y", "is none of the choices"),
        ("nested", "{", "is no JSON"),
        ("tags", "c", "is none of the choices"),
    ],
)
def test_what_does_not_fit_is_said_by_field(name: str, text: str, problem: str) -> None:
    _, problems = read(**{name: [text]})
    assert list(problems) == [name]
    assert problems[name].startswith(problem)


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"properties": 1},
        {"properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"$ref": "#/$defs/A"}}},
        {"properties": {"a": {"$ref": "https://elsewhere.example/x"}}},
        {"properties": {"a": True}, "required": "a"},
        {"properties": {"a": {"enum": []}}},
    ],
)
def test_an_odd_schema_breaks_nothing(schema: dict[str, Any]) -> None:
    assert all(isinstance(field, SchemaField) for field in fields_of(schema))


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e999"])
def test_what_json_has_no_number_for_is_none(text: str) -> None:
    assert read(weight=[text])[1] == {"weight": "is no number"}
    assert "nested" in read(nested=["[NaN]"])[1]


@pytest.mark.parametrize(
    ("part", "texts"),
    [
        ({"type": "array", "items": {"enum": ["a", "b", 3]}, "default": ["b", 3]}, ["b", "3"]),
        ({"type": "array", "items": {"enum": ["a"]}, "default": "a"}, []),
        ({"enum": ["a", 2], "default": 2}, ["2"]),
        ({"type": "boolean", "default": True}, ["true"]),
        ({"type": "object", "default": {"a": 1}}, ['{"a": 1}']),
        ({"type": "string"}, []),
    ],
)
def test_what_is_filled_in_to_begin_with_is_the_default(part: dict[str, Any], texts: list[str]) -> None:
    (field,) = fields_of({"properties": {"x": part}})
    assert list(field.defaults) == texts
    filled = read_form([field], {field.id: field.defaults})
    assert filled.value.get("x", part.get("default")) == ([] if part.get("default") == "a" else part.get("default"))


@pytest.mark.parametrize(
    "value",
    [
        {"name": "a\nb", "size": 3, "kind": 2, "nested": {"a": [None]}, "fast": False, "tags": ["b"]},
        {"name": "a", "size": 1, "kind": "x", "nested": [1], "fast": True, "tags": [], "weight": 1e-9, "colour": "r"},
    ],
)
def test_a_form_that_is_filled_in_for_an_object_says_that_object(value: dict[str, Any]) -> None:
    fields = list(FIELDS.values())
    assert read_form(fields, form_of(fields, value)).value == value


def test_what_an_object_leaves_out_is_filled_in_as_by_default() -> None:
    assert form_of([FIELDS["fast"], FIELDS["name"]], {}) == {"value.fast": ["true"], "value.name": ()}
