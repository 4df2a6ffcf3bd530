"""The CRD's rules, as the embedded cluster evaluates them. `tests/contract` shows the same on any cluster."""

from __future__ import annotations

from typing import Any

import pytest

from mcptasks.model.cel_rules import SPEC_RULES, TASK_RULES, TEMPLATE_RULES, equal_in_cel

SPEC = {"server": "s", "component": {"name": "t"}, "arguments": {"x": 1}, "cancel": False}


def spec_allows(new: dict[str, Any], old: dict[str, Any] | None) -> bool:
    return all(rule.check(new, old) for rule in SPEC_RULES)


def task_allows(new: Any, old: Any) -> bool:
    return all(rule.check(new, old) for rule in TASK_RULES)


@pytest.mark.parametrize(
    ("change", "allowed"),
    [
        ({}, True),
        ({"cancel": True}, True),
        ({"ttlMs": 5}, False),
        ({"arguments": {"y": 1}}, False),
        ({"arguments": {"x": 2}}, False),
        ({"cancel": True, "retries": 1}, False),
        ({"component": {"name": "other"}}, False),
    ],
)
def test_a_spec_is_immutable_except_for_cancel(change: dict[str, Any], allowed: bool) -> None:
    assert spec_allows(SPEC | change, SPEC) is allowed


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        (1, True, False),
        (0, False, False),
        (1, 1.0, True),
        (1, 1.5, False),
        (True, True, True),
        (None, False, False),
        (1, "1", False),
        ([], {}, False),
        ([1, None], [1, None], True),
        ([1, None], [True, None], False),
        ([1], [1, 1], False),
        ({"a": 1}, {"b": 1}, False),
        ({"a": None}, {}, False),
        ({"a": {"b": [0]}}, {"a": {"b": [False]}}, False),
        ({"a": {"b": [2]}}, {"a": {"b": [2.0]}}, True),
    ],
)
def test_values_are_compared_as_cel_does(left: Any, right: Any, equal: bool) -> None:
    assert equal_in_cel(left, right) is equal
    assert equal_in_cel(right, left) is equal
    assert spec_allows(SPEC | {"arguments": {"x": left}}, SPEC | {"arguments": {"x": right}}) is equal


def test_anything_may_be_created() -> None:
    assert spec_allows(SPEC | {"cancel": True}, None)
    assert task_allows({"status": {"phase": "completed"}}, None)


def test_cancel_cannot_be_taken_back() -> None:
    assert not spec_allows(SPEC, SPEC | {"cancel": True})


@pytest.mark.parametrize("phase", ["completed", "failed", "cancelled"])
def test_a_terminal_phase_stays(phase: str) -> None:
    old = {"status": {"phase": phase, "result": {"text": "1"}}}
    assert task_allows({"status": {"phase": phase, "result": {"text": "1"}, "message": "more"}}, old)
    for status in ({"phase": "working"}, {}, None, {"phase": phase, "result": {"text": "2"}}, {"phase": phase}):
        assert not task_allows({"status": status}, old), status


@pytest.mark.parametrize("phase", [None, "working", "input_required"])
def test_any_other_phase_may_change(phase: str | None) -> None:
    assert task_allows({"status": {"phase": "completed"}}, {"status": {"phase": phase}})


@pytest.mark.parametrize(
    ("spec", "allowed"),
    [
        ({"executor": "Job"}, True),
        ({"executor": "Warm"}, True),
        ({"executor": "Warm", "warm": {"minWorkers": 2, "maxWorkers": 2}}, True),
        ({"executor": "Warm", "warm": {"minWorkers": 3, "maxWorkers": 2}}, False),
        ({"executor": "Warm", "warm": {"minWorkers": 11}}, False),
        ({"executor": "Job", "warm": {"minWorkers": 1}}, False),
        ({"warm": {"minWorkers": 1}}, False),
        ({"executor": "Warm", "warm": {"concurrency": 2, "tasksPerWorker": 0}}, True),
        ({"executor": "Warm", "warm": {"concurrency": 2}}, False),
        ({"executor": "Warm", "warm": {"concurrency": 2, "tasksPerWorker": 5}}, False),
        ({"executor": "Warm", "queueName": "batch"}, False),
        ({"executor": "Warm", "queueName": ""}, True),
        ({"executor": "Job", "queueName": "batch"}, True),
    ],
)
def test_a_template_says_nothing_of_workers_that_does_not_go_together(spec: dict[str, Any], allowed: bool) -> None:
    assert all(rule.check(spec, None) for rule in TEMPLATE_RULES) is allowed
