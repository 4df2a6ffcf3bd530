"""How tasks end and when they expire."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest

from mcptasks.model.base import ObjectMeta
from mcptasks.model.lifecycle import (
    PODS_TERMINATED,
    Ending,
    Retention,
    conditions,
    end,
    expiry,
    pods_are_gone,
    reported_ttl_ms,
    seconds_until_pods_gone,
)
from mcptasks.model.task import (
    Component,
    Condition,
    McpTask,
    McpTaskSpec,
    McpTaskStatus,
    Phase,
    Reason,
    ResultRecord,
    TaskProgress,
)

CREATED = datetime(2026, 11, 1, 12, 0, 0, tzinfo=UTC)
RETENTION = Retention(ttl_ms=3_600_000, floor_seconds=30)


def make_task(ttl_ms: int | None = None, status: McpTaskStatus | None = None) -> McpTask:
    return McpTask(
        metadata=ObjectMeta(name="t", uid="u", creation_timestamp=CREATED, generation=1),
        spec=McpTaskSpec(component=Component(name="report"), ttl_ms=ttl_ms),
        status=status or McpTaskStatus(),
    )


def after(seconds: float) -> datetime:
    return CREATED + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("ttl_ms", "finished", "expected"),
    [
        (60_000, 10, 60),
        (60_000, 29, 60),
        (60_000, 31, 61),
        (60_000, 600, 630),
        (0, 5, 35),
        (None, 10, 3600),
        (None, 3590, 3620),
    ],
)
def test_a_task_expires_at_its_ttl_but_never_before_its_result_could_be_read(
    ttl_ms: int | None, finished: float, expected: float
) -> None:
    assert expiry(make_task(ttl_ms), after(finished), RETENTION) == after(expected)


@pytest.mark.parametrize(
    ("ttl_ms", "now", "expected"),
    [(60_000, 1, 60_000), (60_000, 59, 60_000), (60_000, 100, 130_000), (0, 0, 30_000), (None, 1, 3_600_000)],
)
def test_the_reported_ttl_of_a_running_task_is_the_agreed_one_until_it_is_outlived(
    ttl_ms: int | None, now: float, expected: int
) -> None:
    assert reported_ttl_ms(make_task(ttl_ms), after(now), RETENTION) == expected


def test_the_reported_ttl_of_an_ended_task_is_the_recorded_one() -> None:
    status = McpTaskStatus(phase=Phase.COMPLETED, finished_at=after(100), expires_at=after(130))
    assert reported_ttl_ms(make_task(60_000, status), after(120), RETENTION) == 130_000


def test_an_ending_says_everything_that_a_reader_needs() -> None:
    ending = Ending(Phase.COMPLETED, Reason.COMPLETED, "done", result=ResultRecord(text="{}", size_bytes=2))
    status = end(make_task(60_000), ending, after(10), RETENTION)["status"]
    assert status["phase"] == "completed"
    assert status["finishedAt"] == "2026-11-01T12:00:10.000Z"
    assert status["expiresAt"] == "2026-11-01T12:01:00.000Z"
    assert status["result"] == {"text": "{}", "sizeBytes": 2}
    assert {c["type"]: c["status"] for c in status["conditions"]} == {"Succeeded": "True", "ResultRecorded": "True"}
    assert "error" not in status


def test_a_failure_without_a_result_says_so() -> None:
    status = end(make_task(), Ending(Phase.FAILED, Reason.OOM_KILLED, "x" * 40_000), after(1), RETENTION)["status"]
    assert {c["type"]: c["status"] for c in status["conditions"]} == {"Succeeded": "False", "ResultRecorded": "False"}
    assert len(status["message"]) == 32_768


def test_a_condition_keeps_its_transition_time_while_its_status_stays() -> None:
    first = Condition(type="Scheduled", status="True", reason="Running", last_transition_time=after(1))
    task = make_task(status=McpTaskStatus(conditions=[first]))
    again = conditions(task, after(9), Condition(type="Scheduled", status="True", reason="Retried"))
    flipped = conditions(task, after(9), Condition(type="Scheduled", status="False", reason="Pending"))
    assert again[0]["lastTransitionTime"] == "2026-11-01T12:00:01.000Z"
    assert again[0]["reason"] == "Retried"
    assert flipped[0]["lastTransitionTime"] == "2026-11-01T12:00:09.000Z"
    assert flipped[0]["observedGeneration"] == 1


@pytest.mark.parametrize(
    ("phase", "current", "total", "display", "shown"),
    [
        (Phase.COMPLETED, 11, 12, "91% (11/12)", "100%"),
        (Phase.COMPLETED, 30, 20, "150% (30/20)", "100%"),
        (Phase.COMPLETED, 12, 12, "100% (12/12)", "100% (12/12)"),
        (Phase.COMPLETED, 11, None, "11", "11"),
        (Phase.FAILED, 11, 12, "91% (11/12)", "91% (11/12)"),
    ],
)
@pytest.mark.parametrize("written", [True, False])
def test_a_completed_task_shows_no_part_of_its_work(
    phase: Phase, current: float, total: float | None, display: str, shown: str, written: bool
) -> None:
    last = TaskProgress(current=current, total=total, display=display)
    known = McpTaskStatus(progress=last if written else TaskProgress(current=1, total=total, display="old"))
    task = make_task(status=known)
    patch = end(task, Ending(phase, Reason.COMPLETED, "done"), after(1), RETENTION, None if written else last)
    progress = patch["status"].get("progress") or last.dump()
    assert (progress["current"], progress["display"]) == (current, shown)


@pytest.mark.parametrize(
    ("finished", "gone", "seconds"),
    [(10, 12.5, 2.5), (10, 9, 0.0), (None, 12, None), (10, None, None)],
    ids=["after the end", "clocks apart", "not ended", "not gone"],
)
def test_how_long_its_pods_took_to_go_counts_from_the_end(
    finished: float | None, gone: float | None, seconds: float | None
) -> None:
    shown = Condition(type=PODS_TERMINATED, status="True", last_transition_time=None if gone is None else after(gone))
    status = McpTaskStatus(finished_at=None if finished is None else after(finished), conditions=[shown])
    assert seconds_until_pods_gone(make_task(status=status)) == seconds


@pytest.mark.parametrize(("word", "gone"), [("True", True), ("False", False), ("Unknown", False)])
def test_its_pods_are_gone_when_the_condition_says_so(word: Literal["True", "False", "Unknown"], gone: bool) -> None:
    shown = Condition(type=PODS_TERMINATED, status=word)
    assert pods_are_gone(make_task(status=McpTaskStatus(conditions=[shown]))) is gone
    assert not pods_are_gone(make_task())
