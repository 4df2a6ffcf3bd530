"""Which tasks hold the places that limits leave, from the tasks' statuses."""

from __future__ import annotations

from typing import Any

from mcptasks.model.base import ANNOTATION_RESTORED, JsonObject
from mcptasks_operator.watching.limited_tasks import LimitedTasks
from tests.unit.operator.builders import TERMINATED, at, task_item


def limited(caller: str | None = None, status: JsonObject | None = None, **spec: Any) -> JsonObject:
    principal = {} if caller is None else {"principal": {"subject": caller}}
    return task_item(spec={"maxConcurrent": 1, **principal, **spec}, status=status)


def noted(**items: JsonObject) -> LimitedTasks:
    tasks = LimitedTasks()
    for uid, item in items.items():
        tasks.note(("default", uid), uid, item)
    return tasks


def may_start(tasks: LimitedTasks, uid: str) -> bool | None:
    turn = tasks.turn(uid)
    return None if turn is None else turn.may_start


def test_a_task_without_limits_has_no_turn() -> None:
    tasks = noted(one=task_item(), odd={**task_item(), "spec": None})
    assert (tasks.turn("one"), tasks.turn("odd"), tasks.next_ones()) == (None, None, [])


def test_a_place_is_held_until_no_process_is_left() -> None:
    admitted = {"phase": "working", "admittedAt": "2026-11-22T12:00:01.000Z"}
    for status in (
        admitted,
        {**admitted, "phase": "cancelled"},
        {"phase": "working", "podUid": "of an earlier server"},
    ):
        tasks = noted(first=limited(status=status), second=limited())
        assert may_start(tasks, "second") is False
        tasks.note(
            ("default", "first"), "first", limited(status={**status, "phase": "failed", "conditions": TERMINATED})
        )
        assert may_start(tasks, "second") is True
        assert tasks.next_ones() == [("default", "second")]


def test_a_task_that_ends_while_it_waits_holds_nothing() -> None:
    tasks = noted(first=limited(status={"phase": "cancelled"}), second=limited())
    assert may_start(tasks, "second") is True


def test_a_restored_task_takes_no_place() -> None:
    restored = limited()
    restored["metadata"]["annotations"] = {ANNOTATION_RESTORED: "true"}
    tasks = noted(first=restored, second=limited())
    assert (tasks.turn("first"), may_start(tasks, "second")) == (None, True)
    assert tasks.next_ones() == [("default", "second")]


def test_a_restored_task_that_runs_holds_its_place() -> None:
    restored = limited(status={"phase": "working", "podUid": "p"})
    restored["metadata"]["annotations"] = {ANNOTATION_RESTORED: "true"}
    assert may_start(noted(first=restored, second=limited()), "second") is False


def test_a_place_that_was_given_counts_before_any_status_says_so() -> None:
    tasks = noted(first=limited(), second=limited())
    tasks.give("first", at(1))
    assert (may_start(tasks, "first"), may_start(tasks, "second")) == (True, False)
    tasks.note(("default", "first"), "first", limited(status={"message": "an older state"}))
    assert may_start(tasks, "second") is False
    tasks.forget("first")
    assert may_start(tasks, "second") is True


def test_callers_are_told_apart_for_a_limit_of_theirs_and_not_for_their_tools() -> None:
    of_caller: Any = {"maxConcurrent": None, "maxRunningPerCaller": 1}
    running = {"phase": "working", "podUid": "p"}
    tasks = noted(
        first=limited("ann", running, **of_caller),
        second=limited("ann", **of_caller),
        third=limited("bob", **of_caller),
    )
    assert (may_start(tasks, "second"), may_start(tasks, "third")) == (False, True)
    tasks = noted(first=limited("ann", running), second=limited("bob"))
    assert may_start(tasks, "second") is False


def test_other_tools_servers_and_namespaces_have_places_of_their_own() -> None:
    running = {"phase": "working", "podUid": "p"}
    other_tool = limited(component={"kind": "tool", "name": "other"})
    tasks = noted(first=limited(status=running), tool=other_tool, server=limited(server="other"))
    assert (may_start(tasks, "tool"), may_start(tasks, "server")) == (True, True)


def test_a_tools_name_may_be_anything() -> None:
    odd: Any = {"component": {"kind": "tool", "name": "{0}{x}"}}
    tasks = noted(first=limited(status={"phase": "working", "podUid": "p"}, **odd), second=limited(**odd))
    turn = tasks.turn("second")
    assert turn is not None
    assert turn.limit == "tool {0}{x} runs at most 1 at a time"
