"""What the schema and the rules of a CRD accept, and the words of a refusal."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.client import Api
from tests.contract.conftest import Widgets

REFUSED: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["spec.size: Required value"]),
    ({"size": 0}, ["spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1"]),
    (
        {"size": 1001, "name": "ab"},
        ["spec.size: Invalid value: 1001: spec.size in body should be less than or equal to 1000"],
    ),
    ({"size": "1"}, ['spec.size: Invalid value: "string": spec.size in body must be of type integer: "string"']),
    ({"size": True}, ['spec.size: Invalid value: "boolean": spec.size in body must be of type integer: "boolean"']),
    ({"size": 1.5}, ['spec.size: Invalid value: "number": spec.size in body must be of type integer: "number"']),
    ({"size": 1, "name": "a"}, ['spec.name: Invalid value: "a": spec.name in body should be at least 2 chars long']),
    ({"size": 1, "name": "a" * 9}, ["spec.name: Too long: may not be more than 8 bytes"]),
    ({"size": 1, "name": "ABC"}, ["spec.name: Invalid value: \"ABC\": spec.name in body should match '^[a-z]+$'"]),
    ({"size": 1, "name": "ab\n"}, ["spec.name: Invalid value: \"ab\\n\": spec.name in body should match '^[a-z]+$'"]),
    ({"size": 1, "color": "blue"}, ['spec.color: Unsupported value: "blue": supported values: "red", "green"']),
    ({"size": 1, "tags": ["a", "b", "c"]}, ["spec.tags: Too many: 3: must have at most 2 items"]),
    (
        {"size": 1, "tags": [1]},
        ['spec.tags[0]: Invalid value: "integer": spec.tags[0] in body must be of type string: "integer"'],
    ),
    (
        {"size": 1, "labels": {"a": 1}},
        ['spec.labels.a: Invalid value: "integer": spec.labels.a in body must be of type string: "integer"'],
    ),
    (
        {"size": 1, "when": "soon"},
        ['spec.when: Invalid value: "soon": spec.when in body must be of type date-time: "soon"'],
    ),
    ({"size": 1, "ratio": 7}, ["spec.ratio: Invalid value: 7: ratio is not seven"]),
    ({"size": 1, "ratio": 7.5}, ["spec.ratio: Invalid value: 7.5: ratio is not seven"]),
    ({"size": 100}, ["spec.name: Required value: a big widget needs a name"]),
]


@pytest.mark.parametrize(("spec", "messages"), REFUSED, ids=lambda value: str(value)[:40])
def test_refused(api: Api, widgets: Widgets, spec: dict[str, Any], messages: list[str]) -> None:
    reply = api.post(widgets.path(), widgets.body("a", spec))
    assert (reply.code, reply.reason) == (422, "Invalid")
    assert reply.message.startswith(f'Widget.{widgets.group} "a" is invalid: ')
    for message in messages:
        assert message in reply.message


def test_rules_wait_for_a_sound_object(api: Api, widgets: Widgets) -> None:
    reply = api.post(widgets.path(), widgets.body("a", {"size": "100"}))
    assert "some validation rules were not checked because the object was invalid" in reply.message


def test_transition_rule(api: Api, widgets: Widgets) -> None:
    api.post(widgets.path(), widgets.body("a", {"size": 1, "frozen": "x"})).ok(201)
    reply = api.patch(widgets.path("a"), {"spec": {"frozen": "y"}})
    assert (reply.code, reply.causes) == (422, [("spec", "FieldValueInvalid")])
    assert reply.message == f'Widget.{widgets.group} "a" is invalid: spec: Invalid value: frozen is immutable'
    api.patch(widgets.path("a"), {"spec": {"size": 2}}).ok()


def test_root_rule_guards_the_status(api: Api, widgets: Widgets) -> None:
    api.post(widgets.path(), widgets.body("a")).ok(201)
    api.patch(widgets.path("a", "status"), {"status": {"phase": "Done"}}).ok()
    reply = api.patch(widgets.path("a", "status"), {"status": {"phase": "Running"}})
    assert reply.code == 422
    assert reply.message == (
        f'Widget.{widgets.group} "a" is invalid: <nil>: Invalid value: a widget that is done stays done'
    )
    api.patch(widgets.path("a", "status"), {"status": {"phase": "Done", "count": 1}}).ok()


def test_unknown_fields(api: Api, widgets: Widgets) -> None:
    body = {**widgets.body("a", {"size": 1, "nope": 1}), "more": 1}
    reply = api.post(widgets.path(), body, fieldValidation="Strict")
    assert reply.code == 400
    assert reply.message.startswith(
        'Widget in version "v1alpha1" cannot be handled as a Widget: strict decoding error: '
    )
    assert 'unknown field "spec.nope"' in reply.message
    warned = api.post(widgets.path(), body, fieldValidation="Warn")
    assert '299 - "unknown field \\"spec.nope\\""' in warned.warnings
    assert "nope" not in warned.ok(201)["spec"]
    assert "more" not in warned.body
    ignored = api.post(widgets.path(), {**body, "metadata": {"name": "b"}}, fieldValidation="Ignore")
    assert (ignored.code, ignored.warnings) == (201, [])


def test_nulls(api: Api, widgets: Widgets) -> None:
    spec = {"size": 1, "color": None, "name": None, "maybe": None}
    made = api.post(widgets.path(), widgets.body("a", spec)).ok(201)
    assert made["spec"] == {"size": 1, "color": "red", "frozen": "", "maybe": None}


def test_list_map(api: Api, widgets: Widgets) -> None:
    api.post(widgets.path(), widgets.body("a")).ok(201)
    ready = {"type": "Ready", "status": "True"}
    twice = api.patch(widgets.path("a", "status"), {"status": {"conditions": [ready, ready]}})
    assert (twice.code, twice.causes) == (422, [("status.conditions[1]", "FieldValueDuplicate")])


def test_old_faults_are_forgiven(api: Api, widgets: Widgets) -> None:
    """Ratcheting: a part that did not change is not judged again."""
    api.post(widgets.path(), widgets.body("a", {"size": 1, "frozen": "x"})).ok(201)
    api.patch(widgets.path("a"), {"spec": {"size": 2, "frozen": "x"}}).ok()
