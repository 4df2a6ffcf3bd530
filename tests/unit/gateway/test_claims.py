"""Which Pod may run a task, and what it is told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mcptasks.gateway.claims import (
    AssignmentTerms,
    Rival,
    RivalChangedError,
    assignment,
    claim,
    refuse_foreign_and_ended,
    refuse_others,
)
from mcptasks.gateway.contract import RefusalCode
from mcptasks.gateway.pods import TaskPod
from mcptasks.gateway.refusals import RefusedError
from mcptasks.model.base import ANNOTATION_CALLED_AT, JsonObject
from mcptasks.model.lifecycle import Retention, timestamp
from mcptasks.model.task import McpTask
from tests.unit.gateway.builders import NOW, a_pod, a_task

TERMS = AssignmentTerms(module="tools.py", timeout_seconds=3600, progress_interval_seconds=2, max_result_bytes=1000)


RETENTION = Retention(ttl_ms=3_600_000, floor_seconds=30)


def claim_patch(task: McpTask, pod: TaskPod, rival: Rival | None) -> JsonObject | None:
    """The patch for the Pod at `NOW`."""
    return claim(task, pod, rival, NOW, RETENTION)


def code_of(error: pytest.ExceptionInfo[RefusedError]) -> RefusalCode:
    return error.value.code


class TestClaiming:
    def test_the_first_pod_gets_the_task(self) -> None:
        patch = claim_patch(a_task(), a_pod(node_name="node-1"), None)
        assert patch is not None
        status = patch["status"]
        conditions = {c["type"]: (c["status"], c["reason"]) for c in status.pop("conditions")}
        assert status == {
            "phase": "working",
            "reason": "Running",
            "message": None,
            "progress": None,
            "inputRequests": None,
            "inputSince": None,
            "inputWaitMs": None,
            "startedAt": timestamp(NOW),
            "lastUpdatedAt": timestamp(NOW),
            "jobName": "report-1",
            "podName": "report-1-pod-1",
            "podUid": "pod-1",
            "nodeName": "node-1",
            "attempts": 1,
        }
        assert conditions == {"Scheduled": ("True", "Running"), "Succeeded": ("Unknown", "Running")}

    def test_the_pod_that_has_it_writes_nothing_again(self) -> None:
        assert claim_patch(a_task({"podUid": "pod-1", "attempts": 1}), a_pod(), None) is None

    @pytest.mark.parametrize(
        ("rival", "why"),
        [
            (None, "gone"),
            (a_pod("old", age=20, finished=True), "finished"),
            (a_pod("old", age=10, finished=True), "finished, of the same second"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_the_next_pod_takes_over_as_the_next_attempt(self, rival: Any, why: str) -> None:
        task = a_task({"podUid": "old", "podName": "report-1-old", "attempts": 2, "retriesUsed": 1}, retries=2)
        patch = claim_patch(task, a_pod(age=10), Rival("old", rival))
        assert patch is not None
        status = patch["status"]
        assert (status["attempts"], status["retriesUsed"], status["podUid"]) == (3, 2, "pod-1")

    @pytest.mark.parametrize("finished", [True, False])
    def test_a_pod_of_an_earlier_attempt_is_told_that_it_is_superseded(self, finished: bool) -> None:
        task = a_task({"podUid": "new", "podName": "report-1-new", "attempts": 2})
        with pytest.raises(RefusedError, match="newer Pod report-1-new") as caught:
            claim_patch(task, a_pod(age=30), Rival("new", a_pod("new", age=10, finished=finished)))
        assert code_of(caught) is RefusalCode.SUPERSEDED

    @pytest.mark.parametrize("age", [10, 20])
    def test_a_second_pod_waits_while_the_one_that_has_the_task_runs(self, age: int) -> None:
        task = a_task({"podUid": "other", "attempts": 1})
        with pytest.raises(RefusedError, match="still runs the task") as caught:
            claim_patch(task, a_pod(age=10), Rival("other", a_pod("other", age=age)))
        assert code_of(caught) is RefusalCode.UNAVAILABLE

    @pytest.mark.parametrize("rival", [None, Rival("somebody else")])
    def test_a_rival_that_changed_meanwhile_is_looked_at_again(self, rival: Rival | None) -> None:
        with pytest.raises(RivalChangedError):
            claim_patch(a_task({"podUid": "other", "attempts": 1}), a_pod(), rival)


CRASHED = a_pod("old", age=20, finished=True)
DISRUPTED = a_pod("old", age=20, finished=True, deleting=True, disrupted=True)
DELETED = a_pod("old", age=20, finished=True, deleting=True)
GONE = None
AGAIN = a_pod(retries_disruptions=True)
"""A Pod whose template lets it follow one that was taken away."""


class TestSecondAttempts:
    @pytest.mark.parametrize(
        "rival", [CRASHED, DISRUPTED, DELETED, GONE], ids=["crashed", "disrupted", "deleted", "gone"]
    )
    @pytest.mark.parametrize(
        ("spec", "pod"),
        [({}, a_pod()), ({}, AGAIN), ({"idempotent": True}, a_pod()), ({"retries": 1}, a_pod())],
        ids=[
            "a tool",
            "a tool whose Pod says otherwise",
            "an idempotent one whose template says Fail",
            "no retry left",
        ],
    )
    def test_one_that_the_tasks_rules_do_not_allow_ends_the_task(
        self, spec: dict[str, Any], pod: TaskPod, rival: TaskPod | None
    ) -> None:
        task = a_task(
            {"podUid": "old", "podName": "report-1-old", "attempts": 1, "retriesUsed": spec.get("retries")}, **spec
        )
        patch = claim_patch(task, pod, Rival("old", rival))
        assert patch is not None
        status = patch["status"]
        reason = "ExitCode" if rival is CRASHED else "Preempted"
        assert (status["phase"], status["reason"], status["finishedAt"]) == ("failed", reason, timestamp(NOW))
        assert not status.keys() & {"podUid", "podName", "attempts", "retriesUsed", "startedAt"}
        assert "call the tool again" in status["message"]
        assert "report-1-old" in status["message"]

    @pytest.mark.parametrize("rival", [DISRUPTED, DELETED, GONE], ids=["disrupted", "deleted", "gone"])
    def test_an_idempotent_tool_runs_again_after_a_disruption_for_free(self, rival: TaskPod | None) -> None:
        task = a_task({"podUid": "old", "attempts": 5, "retriesUsed": 0}, idempotent=True)
        patch = claim_patch(task, AGAIN, Rival("old", rival))
        assert patch is not None
        status = patch["status"]
        assert (status["podUid"], status["attempts"], status["retriesUsed"]) == ("pod-1", 6, 0)

    def test_an_idempotent_tool_does_not_run_again_after_a_crash(self) -> None:
        task = a_task({"podUid": "old", "attempts": 1}, idempotent=True)
        patch = claim_patch(task, AGAIN, Rival("old", CRASHED))
        assert patch is not None
        assert patch["status"]["reason"] == "ExitCode"

    @pytest.mark.parametrize("rival", [CRASHED, DELETED, GONE], ids=["crashed", "deleted", "gone"])
    def test_retries_make_up_for_a_process_that_is_lost(self, rival: TaskPod | None) -> None:
        task = a_task({"podUid": "old", "attempts": 1}, retries=1)
        patch = claim_patch(task, a_pod(), Rival("old", rival))
        assert patch is not None
        assert (patch["status"]["attempts"], patch["status"]["retriesUsed"]) == (2, 1)

    def test_retries_do_not_make_up_for_a_disruption_as_the_job_has_it(self) -> None:
        task = a_task({"podUid": "old", "attempts": 1}, retries=3)
        patch = claim_patch(task, a_pod(), Rival("old", DISRUPTED))
        assert patch is not None
        assert patch["status"]["reason"] == "Preempted"

    def test_a_pod_that_is_being_deleted_still_has_the_task_while_its_process_runs(self) -> None:
        task = a_task({"podUid": "old", "attempts": 1})
        with pytest.raises(RefusedError, match="still runs the task") as caught:
            claim_patch(task, a_pod(), Rival("old", a_pod("old", age=20, deleting=True)))
        assert code_of(caught) is RefusalCode.UNAVAILABLE


class TestRefusing:
    @pytest.mark.parametrize("phase", ["completed", "failed", "cancelled"])
    def test_a_task_that_has_ended(self, phase: str) -> None:
        with pytest.raises(RefusedError, match=f"has ended: {phase}") as caught:
            claim_patch(a_task({"phase": phase, "podUid": "pod-1"}), a_pod(), None)
        assert (code_of(caught), caught.value.status) == (RefusalCode.TASK_ENDED, 410)

    def test_a_task_that_is_being_cancelled(self) -> None:
        with pytest.raises(RefusedError, match="is being cancelled") as caught:
            refuse_foreign_and_ended(a_task(cancel=True), a_pod())
        assert code_of(caught) is RefusalCode.TASK_ENDED

    @pytest.mark.parametrize("metadata", [{"uid": "another"}, {"deletionTimestamp": NOW.isoformat()}])
    def test_a_task_that_is_gone(self, metadata: dict[str, Any]) -> None:
        with pytest.raises(RefusedError) as caught:
            refuse_foreign_and_ended(a_task(metadata=metadata), a_pod())
        assert (code_of(caught), caught.value.status) == (RefusalCode.TASK_GONE, 410)

    @pytest.mark.parametrize("status", [{}, {"podUid": "another", "podName": "new"}])
    def test_reports_of_a_pod_that_does_not_have_the_task(self, status: dict[str, Any]) -> None:
        with pytest.raises(RefusedError) as caught:
            refuse_others(a_task(status), a_pod())
        assert (code_of(caught), caught.value.status) == (RefusalCode.SUPERSEDED, 409)


class TestTelling:
    def test_the_pod_is_told_what_the_task_says(self) -> None:
        task = a_task(
            {"attempts": 2},
            arguments={"path": "é", "n": 1.5},
            principal={"subject": "me"},
            traceContext={"traceparent": "00-1-2-01"},
            request={"protocolVersion": "2025-11-25", "meta": {"x": None}},
            timeoutSeconds=60,
        )
        told = assignment(task, a_pod(), TERMS)
        assert (told.task_id, told.uid, told.namespace, told.attempt) == ("report-1", "task-uid", "ns", 2)
        assert json.loads(told.arguments_text) == {"path": "é", "n": 1.5}
        assert told.principal == task.spec.principal
        assert told.trace_context == task.spec.trace_context
        assert told.request.meta == {"x": None}
        assert (told.module, told.progress_interval_seconds, told.max_result_bytes) == ("tools.py", 2, 1000)
        assert told.timeout_seconds == 60

    def test_the_pods_own_deadline_counts_before_the_tasks_and_the_default(self) -> None:
        assert assignment(a_task(timeoutSeconds=60), a_pod(deadline_seconds=50), TERMS).timeout_seconds == 50
        assert assignment(a_task(), a_pod(), TERMS).timeout_seconds == 3600


def test_a_pod_waits_for_a_task_that_a_limit_keeps_from_starting() -> None:
    with pytest.raises(RefusedError) as error:
        claim_patch(a_task(maxConcurrent=2), a_pod(), None)
    assert code_of(error) is RefusalCode.UNAVAILABLE
    admitted = a_task({"admittedAt": timestamp(NOW), "tasksAhead": 3}, maxConcurrent=2)
    patch = claim_patch(admitted, a_pod(), None)
    assert patch is not None
    assert (patch["status"]["podUid"], patch["status"]["tasksAhead"]) == ("pod-1", None)


def test_no_pod_gets_a_task_that_was_restored_without_its_status() -> None:
    called = {"annotations": {ANNOTATION_CALLED_AT: "2026-01-01T11:00:00Z"}}
    with pytest.raises(RefusedError) as error:
        claim_patch(a_task(metadata=called), a_pod(), None)
    assert code_of(error) is RefusalCode.TASK_ENDED
