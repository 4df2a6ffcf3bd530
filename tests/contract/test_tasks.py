"""The rules of the product's own resources, as CEL and as the embedded cluster evaluate them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.client import JSON_PATCH, Api
from tests.contract.conftest import TaskPaths, TemplatePaths

FROZEN = "spec is immutable, except that cancel may become true; make a new task instead"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ([1], [True]),
        ([True], [1]),
        ([0], [False]),
        ([True, None], [1, None]),
        ([1, None], [1, False]),
        ([1], [1.5]),
        ([1], ["1"]),
        ({"b": 1}, {"b": True}),
        ([{"b": 1}], [{"c": 1}]),
        ([], {}),
    ],
)
def test_arguments_are_frozen(api: Api, tasks: TaskPaths, old: Any, new: Any) -> None:
    api.post(tasks.path(), tasks.body("a", arguments={"x": old})).ok(201)
    reply = api.patch(tasks.path("a"), {"spec": {"arguments": {"x": new}}})
    assert (reply.code, reply.causes) == (422, [("spec", "FieldValueInvalid")])
    assert FROZEN in reply.message
    assert api.get(tasks.path("a")).ok()["spec"]["arguments"] == {"x": old}


@pytest.mark.parametrize(("old", "new"), [([2.5, True], b"[25e-1, true]"), (None, b"null"), ({"b": 1}, b'{"b": 1}')])
def test_equal_arguments_change_nothing(api: Api, tasks: TaskPaths, old: Any, new: bytes) -> None:
    api.post(tasks.path(), tasks.body("a", arguments={"x": old})).ok(201)
    api.request(
        "PATCH", tasks.path("a"), b'[{"op":"replace","path":"/spec/arguments/x","value":' + new + b"}]", JSON_PATCH
    ).ok()


@pytest.mark.parametrize("change", [{"server": "other"}, {"ttlMs": 1}, {"component": {"name": "other"}}])
def test_no_field_changes_together_with_cancel(api: Api, tasks: TaskPaths, change: dict[str, Any]) -> None:
    api.post(tasks.path(), tasks.body("a")).ok(201)
    reply = api.patch(tasks.path("a"), {"spec": {"cancel": True, **change}})
    assert (reply.code, reply.causes) == (422, [("spec", "FieldValueInvalid")])
    api.patch(tasks.path("a"), {"spec": {"cancel": True}}).ok()
    taken_back = api.patch(tasks.path("a"), {"spec": {"cancel": False}})
    assert "a cancelled task cannot be revived: spec.cancel stays true" in taken_back.message


@pytest.mark.parametrize("phase", ["completed", "failed", "cancelled"])
def test_an_ended_task_stays_as_it_is(api: Api, tasks: TaskPaths, phase: str) -> None:
    api.post(tasks.path(), tasks.body("a")).ok(201)
    status = {"phase": phase, "result": {"text": "1", "sizeBytes": 1}}
    api.patch(tasks.path("a", "status"), {"status": status}).ok()
    flipped = api.patch(tasks.path("a", "status"), {"status": {"phase": "working"}})
    assert "the task has ended: a terminal phase never changes" in flipped.message
    for result in ({"text": "2"}, {"sizeBytes": 2}, None):
        changed = api.patch(tasks.path("a", "status"), {"status": {"result": result}})
        assert "the task has ended: its result never changes" in changed.message
    api.patch(tasks.path("a", "status"), {"status": {"message": "more"}}).ok()


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"executor": "Job", "warm": {"minWorkers": 1}}, "warm is for templates with executor: Warm"),
        ({"warm": {}}, "warm is for templates with executor: Warm"),
        ({"executor": "Warm", "warm": {"minWorkers": 11}}, "warm.minWorkers must not be above warm.maxWorkers"),
        ({"executor": "Warm", "warm": {"concurrency": 2}}, "warm.concurrency above 1 needs warm.tasksPerWorker 0"),
        ({"executor": "Warm", "queueName": "batch"}, "queueName is for executor: Job"),
        ({"executor": "Warm", "warm": {"maxWorkers": 0}}, "spec.warm.maxWorkers"),
        ({"executor": "Hot"}, "spec.executor"),
    ],
)
def test_what_does_not_go_together_in_a_template_is_refused(
    api: Api, templates: TemplatePaths, spec: dict[str, Any], message: str
) -> None:
    reply = api.post(templates.path(), templates.body(spec))
    assert reply.code == 422
    assert message in reply.message


@pytest.mark.parametrize(
    "spec", [{}, {"executor": "Warm"}, {"executor": "Warm", "warm": {"tasksPerWorker": 0, "concurrency": 5}}]
)
def test_what_goes_together_is_taken(api: Api, templates: TemplatePaths, spec: dict[str, Any]) -> None:
    made = api.post(templates.path(), templates.body(spec)).ok(201)
    assert made["spec"]["executor"] == spec.get("executor", "Job")
