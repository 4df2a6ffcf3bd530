"""What the Job controller decides."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mcptasks_embedded.controllers.job_conditions import condition
from mcptasks_embedded.controllers.job_decision import Backoff, JobPlan, decide
from mcptasks_embedded.controllers.job_pods import TRACKING
from mcptasks_embedded.controllers.pod_failure_policy import failure_verdict
from mcptasks_embedded.values.times import stamp

Json = dict[str, Any]

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
BACKOFF = Backoff()


def job(status: Json | None = None, deleting: bool = False, **spec: Any) -> Json:
    metadata: Json = {"name": "j", "namespace": "ns", "uid": "job"}
    if deleting:
        metadata["deletionTimestamp"] = stamp(NOW)
    base = {"parallelism": 1, "completions": 1, "backoffLimit": 0, "template": {"spec": {"restartPolicy": "Never"}}}
    return {"metadata": metadata, "spec": {**base, **spec}, "status": status or {}}


def pod(name: str, phase: str, code: int = 0, ended: float = 0, **options: Any) -> Json:
    created = stamp(NOW - timedelta(seconds=options.get("age", 0)))
    metadata: Json = {"name": name, "namespace": "ns", "uid": name, "creationTimestamp": created}
    if options.get("tracked", True):
        metadata["finalizers"] = [TRACKING]
    if options.get("deleting"):
        metadata["deletionTimestamp"] = stamp(NOW)
    status: Json = {"phase": phase, "conditions": list(options.get("conditions", ()))}
    if phase in ("Succeeded", "Failed"):
        finished = stamp(NOW - timedelta(seconds=ended))
        terminated = {"exitCode": code, "finishedAt": finished}
        status["containerStatuses"] = [{"name": "main", "state": {"terminated": terminated}}]
    return {"metadata": metadata, "spec": {}, "status": status}


def plan(subject: Json, *pods: Json) -> JobPlan:
    return decide(subject, pods, NOW, BACKOFF)


def settle(subject: Json, *pods: Json) -> tuple[Json, list[JobPlan]]:
    """Apply plans, finalizers gone as told, until nothing changes; the Job's last status and all plans."""
    plans = []
    current = list(pods)
    for _ in range(6):
        made = plan(subject, *current)
        plans.append(made)
        gone = {item["metadata"]["uid"] for item in made.untrack}
        current = [_untracked(item) if item["metadata"]["uid"] in gone else item for item in current]
        if made.status == subject["status"] and not gone:
            break
        subject = {**subject, "status": made.status}
    return subject["status"], plans


def _untracked(item: Json) -> Json:
    return {**item, "metadata": {key: value for key, value in item["metadata"].items() if key != "finalizers"}}


def kinds(status: Json) -> list[str]:
    return [item["type"] for item in status.get("conditions") or ()]


def test_first_pod() -> None:
    made = plan(job())
    assert made.create == 1
    assert made.status["startTime"] == stamp(NOW)
    assert made.status["active"] == 1


def test_nothing_to_do_while_it_runs() -> None:
    ready = {"type": "Ready", "status": "True"}
    made = plan(job(), pod("p", "Running", conditions=[ready]))
    assert (made.create, made.delete, made.untrack) == (0, [], [])
    assert (made.status["active"], made.status["ready"]) == (1, 1)


def test_success_is_announced_then_final() -> None:
    subject = job()
    first = plan(subject, pod("p", "Succeeded"))
    assert kinds(first.status) == ["SuccessCriteriaMet"]
    assert first.status["uncountedTerminatedPods"] == {"succeeded": ["p"]}
    status, plans = settle(subject, pod("p", "Succeeded"))
    assert kinds(status) == ["SuccessCriteriaMet", "Complete"]
    assert status["succeeded"] == 1
    assert status["completionTime"] == stamp(NOW)
    assert status["uncountedTerminatedPods"] == {}
    assert [note.reason for made in plans for note in made.events] == ["Completed"]


def test_a_pod_is_counted_once() -> None:
    status, _ = settle(job(completions=2), pod("p", "Succeeded"))
    assert status["succeeded"] == 1
    assert "Complete" not in kinds(status)


def test_failure_beyond_the_limit() -> None:
    status, _ = settle(job(), pod("p", "Failed", 1))
    assert kinds(status) == ["FailureTarget", "Failed"]
    failed = condition(status, "Failed") or {}
    assert (failed["reason"], failed["message"]) == (
        "BackoffLimitExceeded",
        "Job has reached the specified backoff limit",
    )
    assert "completionTime" not in status


@pytest.mark.parametrize(
    ("ended", "failures", "wait"),
    [(0, 1, 10), (4, 1, 6), (11, 1, None), (0, 2, 20), (0, 3, 40), (0, 10, 360)],
)
def test_backoff(ended: float, failures: int, wait: float | None) -> None:
    pods = [pod(f"p{index}", "Failed", 1, ended + index, tracked=False) for index in range(failures)]
    made = plan(job({"failed": failures, "startTime": stamp(NOW)}, backoffLimit=20), *pods)
    assert made.create == (1 if wait is None else 0)
    assert made.requeue_after == wait


def test_success_resets_the_backoff() -> None:
    pods = [pod("a", "Failed", 1, 5, tracked=False), pod("b", "Succeeded", 0, 1, tracked=False)]
    made = plan(job({"failed": 1, "succeeded": 1}, completions=2, backoffLimit=5), *pods)
    assert made.create == 1


def test_deadline() -> None:
    started = stamp(NOW - timedelta(seconds=30))
    made = plan(job({"startTime": started}, activeDeadlineSeconds=40), pod("p", "Running"))
    assert made.requeue_after == 10
    made = plan(job({"startTime": started}, activeDeadlineSeconds=30), pod("p", "Running"))
    assert [item["metadata"]["name"] for item in made.delete] == ["p"]
    assert kinds(made.status) == ["FailureTarget"]
    assert made.status["terminating"] == 1


def test_terminal_condition_waits_for_terminating_pods() -> None:
    early = {"type": "FailureTarget", "status": "True", "reason": "DeadlineExceeded", "message": "m"}
    subject = job({"conditions": [early], "startTime": stamp(NOW)})
    assert kinds(plan(subject, pod("p", "Running", deleting=True)).status) == ["FailureTarget"]
    status, _ = settle(subject, pod("p", "Failed", 137, deleting=True))
    assert kinds(status) == ["FailureTarget", "Failed"]


def test_replacement_policy() -> None:
    leaving = pod("p", "Running", deleting=True)
    assert plan(job(), leaving).create == 1
    assert plan(job(podReplacementPolicy="Failed"), leaving).create == 0


def test_suspended() -> None:
    running = pod("p", "Running")
    made = plan(job({"startTime": stamp(NOW)}, suspend=True), running)
    assert (made.delete, made.untrack) == ([running], [running])
    assert kinds(made.status) == ["Suspended"]
    assert "startTime" not in made.status
    resumed = plan(job(made.status))
    assert resumed.create == 1
    assert (condition(resumed.status, "Suspended") or {})["status"] == "False"


def test_a_job_that_is_being_deleted_makes_no_pods() -> None:
    assert plan(job(deleting=True)).create == 0


def test_a_finished_job_only_lets_its_pods_go() -> None:
    done = {"conditions": [{"type": "Complete", "status": "True"}]}
    made = plan(job(done), pod("p", "Succeeded"))
    assert [item["metadata"]["name"] for item in made.untrack] == ["p"]
    assert made.status == done


READY = {"type": "Ready", "status": "True"}


@pytest.mark.parametrize(
    ("kept", "deleted"),
    [
        (pod("a", "Running"), pod("b", "Pending")),
        (pod("a", "Running", conditions=[READY]), pod("b", "Running")),
        (pod("a", "Running", age=3), pod("b", "Running", age=2)),
    ],
    ids=["the one that does not run", "the one that is not ready", "the youngest"],
)
def test_a_pod_too_many_goes_and_counts_for_nothing(kept: Json, deleted: Json) -> None:
    for pods in ([kept, deleted], [deleted, kept]):
        made = plan(job(), *pods)
        assert (made.delete, made.untrack) == ([deleted], [deleted])


def test_work_queue_completes_when_all_have_ended() -> None:
    spec: Json = {"completions": None, "parallelism": 2}
    made = plan(job(**spec), pod("a", "Succeeded"), pod("b", "Running"))
    assert kinds(made.status) == []
    assert made.create == 0
    status, _ = settle(job(**spec), pod("a", "Succeeded"), pod("b", "Succeeded"))
    assert kinds(status)[-1] == "Complete"


IN = {"operator": "In", "values": [3, 42]}
NOT_IN = {"operator": "NotIn", "values": [3]}
DISRUPTED = {"type": "DisruptionTarget", "status": "True"}


@pytest.mark.parametrize(
    ("rule", "code", "conditions", "matches"),
    [
        ({"onExitCodes": IN}, 3, [], True),
        ({"onExitCodes": IN}, 4, [], False),
        ({"onExitCodes": NOT_IN}, 4, [], True),
        ({"onExitCodes": NOT_IN}, 3, [], False),
        ({"onExitCodes": NOT_IN}, 0, [], False),
        ({"onExitCodes": {**IN, "containerName": "main"}}, 3, [], True),
        ({"onExitCodes": {**IN, "containerName": "other"}}, 3, [], False),
        ({"onPodConditions": [{"type": "DisruptionTarget"}]}, 1, [DISRUPTED], True),
        ({"onPodConditions": [{"type": "DisruptionTarget"}]}, 1, [], False),
        ({"onPodConditions": [{"type": "DisruptionTarget", "status": "False"}]}, 1, [DISRUPTED], False),
    ],
)
def test_failure_rules(rule: Json, code: int, conditions: list[Json], matches: bool) -> None:
    policy = {"rules": [{"action": "FailJob", **rule}]}
    verdict = failure_verdict(policy, pod("p", "Failed", code, conditions=conditions))
    assert (verdict is not None) is matches


def test_first_rule_wins_and_is_named() -> None:
    rules = [{"action": "Ignore", "onExitCodes": NOT_IN}, {"action": "FailJob", "onExitCodes": IN}]
    ignored = failure_verdict({"rules": rules}, pod("p", "Failed", 42))
    failed = failure_verdict({"rules": rules}, pod("p", "Failed", 3))
    assert ignored is not None
    assert ignored.action == "Ignore"
    assert failed is not None
    assert failed.message == "Container main for pod ns/p failed with exit code 3 matching FailJob rule at index 1"


def test_ignored_failures_do_not_count() -> None:
    rules = [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}]
    status, plans = settle(
        job(podFailurePolicy={"rules": rules}), pod("p", "Failed", 137, ended=60, conditions=[DISRUPTED])
    )
    assert "failed" not in status
    assert plans[0].create == 1


def test_fail_job() -> None:
    rules = [{"action": "FailJob", "onExitCodes": IN}]
    status, _ = settle(job(backoffLimit=9, podFailurePolicy={"rules": rules}), pod("p", "Failed", 42))
    assert (condition(status, "Failed") or {})["reason"] == "PodFailurePolicy"
