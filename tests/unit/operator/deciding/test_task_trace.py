"""A task's life as spans."""

from __future__ import annotations

from typing import Any

import pytest

from mcptasks.model.base import JsonObject
from mcptasks.model.lifecycle import timestamp
from mcptasks.model.task import McpTask
from mcptasks.tracing.span_ids import span_id
from mcptasks.tracing.task_spans import TaskSpan
from mcptasks_operator.deciding.object_facts import PodFacts
from mcptasks_operator.deciding.task_trace import spans_of, trace_is_due
from tests.unit.operator.builders import T0, UID, at, ended_status, exited, make_pod, make_task

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def over(phase: str = "completed", *, gone: float = 10.5, **more: Any) -> McpTask:
    """A task that is over, in a trace that is kept; no process was left after `gone` seconds."""
    condition: JsonObject = {"type": "PodsTerminated", "status": "True", "lastTransitionTime": timestamp(at(gone))}
    status = ended_status(phase, **more)
    return make_task(spec={"traceContext": {"traceparent": PARENT}}, status={**status, "conditions": [condition]})


def told(spans: tuple[TaskSpan, ...]) -> list[tuple[str, float, float]]:
    return [(s.name, (s.start - T0).total_seconds(), (s.end - T0).total_seconds()) for s in spans]


def last_pod() -> PodFacts:
    return make_pod(2, exited(0), created_at=at(1), scheduled_at=at(1.5))


def test_the_parts_of_a_life_follow_each_other() -> None:
    spans = spans_of(over(podUid="pod-2"), [last_pod()])
    assert told(spans) == [
        ("task report", 0, 10),
        ("queue", 0, 1),
        ("schedule", 1, 1.5),
        ("start", 1.5, 2),
        ("run", 2, 10),
    ]
    assert [span.parent_id for span in spans] == [None, *[span_id(UID)] * 4]
    assert {span.trace for span in spans} == {PARENT}
    assert len({span.span_id for span in spans}) == len(spans)


def test_they_are_the_same_spans_whenever_they_are_made() -> None:
    assert spans_of(over(podUid="pod-2"), [last_pod()]) == spans_of(over(podUid="pod-2"), [last_pod()])


def test_without_its_pod_a_task_has_waited_until_it_ran() -> None:
    assert told(spans_of(over(podUid="pod-2"), [])) == [("task report", 0, 10), ("queue", 0, 2), ("run", 2, 10)]


def test_a_cancel_ends_when_no_process_is_left() -> None:
    spans = told(spans_of(over("cancelled", gone=13), []))
    assert spans[0] == ("task report", 0, 13)
    assert spans[-1] == ("cancel", 10, 13)


def test_a_failure_is_told_by_its_reason() -> None:
    spans = spans_of(over("failed"), [])
    assert {span.name: span.error for span in spans} == {"task report": "ExitCode", "queue": None, "run": "ExitCode"}
    assert spans[0].attributes["error.type"] == "ExitCode"


def test_an_attempt_that_was_lost_is_told_as_well() -> None:
    lost = make_pod(1, exited(137, finished=1), created_at=at(0.5), started_at=at(0.7))
    spans = spans_of(over(podUid="pod-2"), [lost, last_pod()])
    assert told(spans)[1] == ("run", 0.7, 1)
    assert spans[1].error
    assert len({span.span_id for span in spans}) == len(spans)


def test_a_task_that_never_ran_has_waited_until_its_end() -> None:
    assert told(spans_of(over("failed", startedAt=None), [])) == [("task report", 0, 10), ("queue", 0, 10)]


def test_it_is_told_once_no_process_is_left() -> None:
    assert trace_is_due(over())
    status = {**ended_status("completed"), "conditions": []}
    assert not trace_is_due(make_task(spec={"traceContext": {"traceparent": PARENT}}, status=status))


@pytest.mark.parametrize("trace", [None, {"traceparent": PARENT[:-2] + "00"}, {"traceparent": "nonsense"}])
def test_traces_that_nobody_keeps_are_not_told(trace: JsonObject | None) -> None:
    status = over().status.dump()
    assert not trace_is_due(make_task(spec={"traceContext": trace} if trace else {}, status=status))


def test_what_has_been_told_is_not_told_again() -> None:
    assert not trace_is_due(over(traceSent=True))


def test_a_uri_is_in_no_span_s_name() -> None:
    uri = {"kind": "resource", "name": "orders://a?token=1"}
    task = make_task(spec={"traceContext": {"traceparent": PARENT}, "component": uri}, status=ended_status("completed"))
    assert next(span.name for span in spans_of(task, [])) == "task resource"
