"""Structural schemas: pruning, defaults, validation, rules."""

from __future__ import annotations

from typing import Any

import pytest

from mcptasks_embedded.kinds.schema_validation import SchemaValidation
from mcptasks_embedded.kinds.structural_schema import prune, rules_of, with_defaults

Json = dict[str, Any]

SCHEMA: Json = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "required": ["n"],
            "properties": {
                "n": {"type": "integer", "minimum": 1, "exclusiveMaximum": True, "maximum": 10},
                "any": {"x-kubernetes-int-or-string": True},
                "free": {"x-kubernetes-preserve-unknown-fields": True},
                "open": {
                    "type": "object",
                    "x-kubernetes-preserve-unknown-fields": True,
                    "properties": {"n": {"type": "integer"}},
                },
                "map": {
                    "type": "object",
                    "additionalProperties": {"type": "object", "properties": {"a": {"type": "string"}}},
                },
                "nested": {"type": "object", "default": {}, "properties": {"x": {"type": "integer", "default": 7}}},
                "items": {
                    "type": "array",
                    "items": {"type": "object", "properties": {"v": {"type": "string", "default": "d"}}},
                },
                "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
                "either": {
                    "oneOf": [{"type": "string"}, {"type": "integer"}],
                    "x-kubernetes-preserve-unknown-fields": True,
                },
                "text": {"type": "string", "pattern": "^a+$", "nullable": True},
            },
        }
    },
}


def errors(spec: Json, old: Json | None = None, schema: Json = SCHEMA, **rules: Any) -> list[str]:
    found = SchemaValidation(rules).run({"spec": spec}, {"spec": old} if old is not None else None, schema)
    return [str(error) for error in found]


def test_prune() -> None:
    unknown: list[str] = []
    spec = {"n": 1, "x": 1, "free": {"y": 1}, "open": {"z": 1}, "map": {"k": {"a": "b", "c": 1}}, "items": [{"w": 1}]}
    kept = prune({"apiVersion": "v", "metadata": {"any": 1}, "more": 1, "spec": spec}, SCHEMA, unknown)
    assert sorted(unknown) == ["more", "spec.items[0].w", "spec.map.k.c", "spec.x"]
    assert kept["metadata"] == {"any": 1}
    assert kept["spec"]["free"] == {"y": 1}
    assert kept["spec"]["open"] == {"z": 1}
    assert kept["spec"]["map"] == {"k": {"a": "b"}}


def test_default() -> None:
    made = with_defaults({"spec": {"n": None, "text": None, "free": None, "items": [{}, {"v": "x"}]}}, SCHEMA)
    assert made == {"spec": {"text": None, "items": [{"v": "d"}, {"v": "x"}], "nested": {"x": 7}}}


def test_default_leaves_its_argument_alone() -> None:
    given: Json = {"spec": {"items": [{}]}}
    with_defaults(given, SCHEMA)
    assert given == {"spec": {"items": [{}]}}


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({}, "spec.n: Required value"),
        ({"n": 10}, "spec.n: Invalid value: 10: spec.n in body should be less than 10"),
        (
            {"n": 1, "any": []},
            'spec.any: Invalid value: "array": spec.any in body must be of type integer,string: "array"',
        ),
        ({"n": 1, "set": ["a", "a"]}, 'spec.set[1]: Duplicate value: "a"'),
        (
            {"n": 1, "either": []},
            "spec.either: Invalid value: []: spec.either in body must validate one and only one schema (oneOf)",
        ),
        (
            {"n": 1, "open": {"n": "x"}},
            'spec.open.n: Invalid value: "string": spec.open.n in body must be of type integer: "string"',
        ),
        ({"n": 1, "text": "aab"}, "spec.text: Invalid value: \"aab\": spec.text in body should match '^a+$'"),
        ({"n": 1, "text": "a\n"}, "spec.text: Invalid value: \"a\\n\": spec.text in body should match '^a+$'"),
    ],
)
def test_refused(spec: Json, message: str) -> None:
    assert errors(spec) == [message]


@pytest.mark.parametrize("spec", [{"n": 1}, {"n": 9, "any": "x"}, {"n": 1, "text": None}, {"n": 1, "either": 3}])
def test_accepted(spec: Json) -> None:
    assert errors(spec) == []


def test_unchanged_faults_are_forgiven() -> None:
    assert errors({"n": 99, "text": "a"}, {"n": 99}) == []
    assert errors({"n": 98}, {"n": 99}) != []


def with_rule(**rule: Any) -> Json:
    return {"type": "object", "properties": {"spec": {"type": "object", "x-kubernetes-validations": [rule]}}}


def test_rules() -> None:
    schema = with_rule(rule="self.a", message="needs a")
    rules = {"self.a": lambda new, old: "a" in new}
    check = SchemaValidation(rules)
    assert [str(e) for e in check.run({"spec": {}}, None, schema)] == ["spec: Invalid value: needs a"]
    assert SchemaValidation(rules).run({"spec": {"a": 1}}, None, schema) == []
    assert list(rules_of(schema)) == ["self.a"]


def test_transition_rules_need_an_old_object() -> None:
    schema = with_rule(rule="self == oldSelf")
    rules = {"self == oldSelf": lambda new, old: new == old}
    assert SchemaValidation(rules).run({"spec": {"x": 1}}, None, schema) == []
    found = SchemaValidation(rules).run({"spec": {"x": 2}}, {"spec": {"x": 1}}, schema)
    assert [str(error) for error in found] == ["spec: Invalid value: failed rule: self == oldSelf"]
