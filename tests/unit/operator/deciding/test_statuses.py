"""Status patches: what they say, and what they leave alone."""

from __future__ import annotations

from mcptasks.model.lifecycle import Ending
from mcptasks.model.task import Phase, Reason
from mcptasks_operator.deciding.decisions import EndTask, MarkTerminated, ReleaseClaim, ShowCause
from mcptasks_operator.deciding.statuses import patch_for
from tests.unit.operator.builders import POLICY, at, condition, ended_status, make_task

FAILURE = Ending(Phase.FAILED, Reason.EXIT_CODE, "exit code 3", exit_code=3)


def test_an_end_has_phase_reason_times_and_conditions() -> None:
    task = make_task(spec={"ttlMs": 60_000})
    status = patch_for(task, EndTask(FAILURE, "the Job has finished", attempts=2), at(20), POLICY)["status"]
    assert (status["phase"], status["reason"], status["message"]) == ("failed", "ExitCode", "exit code 3")
    assert (status["exitCode"], status["attempts"], status["observedGeneration"]) == (3, 2, 1)
    assert (status["finishedAt"], status["expiresAt"]) == ("2026-11-22T12:00:20.000Z", "2026-11-22T12:01:00.000Z")
    states = {c["type"]: (c["status"], c["message"]) for c in status["conditions"]}
    assert states["Succeeded"] == ("False", "exit code 3")
    assert states["ResultRecorded"][0] == "False"
    assert states["PodsTerminated"] == ("True", "the Job has finished")


def test_an_end_that_leaves_a_process_says_nothing_of_pods() -> None:
    status = patch_for(make_task(), EndTask(FAILURE), at(20), POLICY)["status"]
    assert "PodsTerminated" not in {c["type"] for c in status["conditions"]}
    assert "attempts" not in status


def test_an_end_keeps_the_conditions_that_were_there() -> None:
    task = make_task(status={"conditions": [condition("Scheduled", reason="Running")]})
    status = patch_for(task, EndTask(FAILURE), at(20), POLICY)["status"]
    scheduled = next(c for c in status["conditions"] if c["type"] == "Scheduled")
    assert scheduled["reason"] == "Running"


def test_the_retention_of_the_template_holds_where_the_task_has_no_ttl() -> None:
    status = patch_for(make_task(), EndTask(FAILURE), at(20), POLICY)["status"]
    assert status["expiresAt"] == "2026-11-22T13:00:00.000Z"


def test_a_note_shows_the_cause_and_makes_an_unmarked_task_working() -> None:
    note = ShowCause(Reason.PENDING, "ImagePullBackOff", "cannot be pulled")
    status = patch_for(make_task(), note, at(5), POLICY)["status"]
    assert (status["phase"], status["reason"], status["message"]) == ("working", "Pending", "cannot be pulled")
    assert status["lastUpdatedAt"] == "2026-11-22T12:00:05.000Z"
    (scheduled,) = status["conditions"]
    assert (scheduled["type"], scheduled["status"], scheduled["reason"]) == ("Scheduled", "False", "ImagePullBackOff")
    assert "attempts" not in status


def test_a_note_leaves_the_phase_alone_where_there_is_one() -> None:
    note = ShowCause(Reason.RETRYING, "Retrying", "again", attempts=1)
    status = patch_for(make_task(status={"phase": "working"}), note, at(5), POLICY)["status"]
    assert "phase" not in status
    assert status["attempts"] == 1


def test_questions_go_with_the_process_that_has_asked() -> None:
    asking = make_task(status={"phase": "input_required", "inputRequests": [{"key": "1-1", "method": "roots/list"}]})
    status = patch_for(asking, ShowCause(Reason.RETRYING, "Retrying", "again", attempts=1), at(5), POLICY)["status"]
    assert (status["phase"], status["inputRequests"], status["inputSince"]) == ("working", None, None)


def test_the_mark_changes_one_condition_and_nothing_that_a_client_sees() -> None:
    task = make_task(status=ended_status("cancelled", conditions=[condition("Succeeded", "False")]))
    status = patch_for(task, MarkTerminated("PodsGone", "terminated 1.3 s after the cancel"), at(12), POLICY)["status"]
    assert set(status) == {"conditions", "observedGeneration"}
    succeeded, terminated = status["conditions"]
    assert succeeded["type"] == "Succeeded"
    assert (terminated["type"], terminated["message"]) == ("PodsTerminated", "terminated 1.3 s after the cancel")


def test_a_released_task_belongs_to_no_pod_and_says_when_it_may_be_taken() -> None:
    task = make_task(status={"phase": "input_required", "podUid": "p", "podName": "w", "retriesUsed": 1})
    write = ReleaseClaim("attempt 1 failed", retry_after=at(30), uses_retry=True)
    status = patch_for(task, write, at(20), POLICY)["status"]
    assert (status["phase"], status["reason"], status["message"]) == ("working", "Retrying", "attempt 1 failed")
    assert (status["podUid"], status["podName"], status["inputRequests"]) == (None, None, None)
    assert (status["retryAfter"], status["retriesUsed"]) == ("2026-11-22T12:00:30.000Z", 2)
    scheduled = next(c for c in status["conditions"] if c["type"] == "Scheduled")
    assert (scheduled["status"], scheduled["reason"]) == ("False", "Retrying")
