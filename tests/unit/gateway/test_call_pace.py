"""How often a Pod may call: each Pod and task by itself, each kind of call by itself."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest

from mcptasks.gateway.call_pace import CallPace, GatewayCall
from mcptasks.gateway.pods import TaskPod
from mcptasks.gateway.refusals import RefusedError
from mcptasks.settings import KIB
from tests.unit.gateway.builders import a_pod


def taken(pace: CallPace, call: GatewayCall, pod: TaskPod, seconds: int, a_second: int) -> int:
    """How many of the calls are taken, made evenly over the time."""
    count = 0
    for number in range(seconds * a_second):
        with suppress(RefusedError):
            pace.check(call, pod, number / a_second)
            count += 1
    return count


@pytest.mark.parametrize(
    ("call", "most"),
    [
        (GatewayCall.ASSIGNMENT, 10 + 60),
        (GatewayCall.PROGRESS, 40 + 20 * 60),
        (GatewayCall.ASK, 20 + 2 * 60),
        (GatewayCall.ANSWERS, 30 + 5 * 60),
        (GatewayCall.OUTCOME, 5 + 60),
    ],
)
def test_a_minute_of_calls_is_a_burst_and_then_so_many_a_second(call: GatewayCall, most: int) -> None:
    assert most - 1 <= taken(CallPace(), call, a_pod(), seconds=60, a_second=50) <= most


def test_another_pod_another_task_and_another_kind_of_call_are_not_held_up() -> None:
    pace, pod = CallPace(), a_pod()
    taken(pace, GatewayCall.OUTCOME, pod, seconds=1, a_second=100)
    with pytest.raises(RefusedError) as refused:
        pace.check(GatewayCall.OUTCOME, pod, 1.0)
    assert (refused.value.status, refused.value.code.value) == (429, "Unavailable")
    pace.check(GatewayCall.ASK, pod, 1.0)
    pace.check(GatewayCall.OUTCOME, replace(pod, task_uid="another task, the same Pod"), 1.0)
    pace.check(GatewayCall.OUTCOME, replace(pod, identity=replace(pod.identity, uid="another Pod")), 1.0)


def test_a_runner_that_reports_as_often_as_it_may_is_never_held_up() -> None:
    assert taken(CallPace(), GatewayCall.PROGRESS, a_pod(), seconds=60, a_second=20) == 60 * 20


def test_large_questions_have_a_pace_of_their_own() -> None:
    pace, pod = CallPace(), a_pod()
    for _ in range(4):
        pace.check_question_bytes(pod, 256 * KIB, 0.0)
    with pytest.raises(RefusedError):
        pace.check_question_bytes(pod, 256 * KIB, 1.0)
    pace.check_question_bytes(pod, 256 * KIB, 4.0)
