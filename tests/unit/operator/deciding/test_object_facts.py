"""Facts from the objects of the API server."""

from __future__ import annotations

import pytest

from mcptasks.model.base import JsonObject
from mcptasks_operator.deciding.object_facts import (
    Disruption,
    JobOutcome,
    Owner,
    RunningState,
    TerminatedState,
    WaitingState,
    job_facts,
    pod_facts,
    task_key,
    warning_events,
)
from tests.unit.operator.builders import T0, at

STAMP = "2026-11-22T12:00:00Z"


def job(**status: object) -> JsonObject:
    return {
        "metadata": {"name": "j", "uid": "u", "creationTimestamp": STAMP, "labels": {}},
        "spec": {"backoffLimit": 2, "template": {"spec": {"activeDeadlineSeconds": 60}}},
        "status": status,
    }


def job_condition(kind: str, reason: str = "", status: str = "True") -> JsonObject:
    stamp = "2026-11-22T12:00:30Z"
    return {"type": kind, "status": status, "reason": reason, "message": "m", "lastTransitionTime": stamp}


def test_a_new_job() -> None:
    facts = job_facts({"metadata": {"name": "j", "uid": "u", "creationTimestamp": STAMP}, "spec": {}})
    assert facts.outcome is None
    assert (facts.created_at, facts.start) == (T0, T0)
    assert facts.owner is None
    assert not facts.suspended
    assert not facts.deleting


def test_a_job_that_is_about_to_fail_has_a_reason_and_no_outcome() -> None:
    facts = job_facts(job(conditions=[job_condition("FailureTarget", "BackoffLimitExceeded")]))
    assert (facts.outcome, facts.reason, facts.finished_at) == (None, "BackoffLimitExceeded", None)


def test_a_job_whose_success_criteria_are_met_has_not_finished_yet() -> None:
    facts = job_facts(job(conditions=[job_condition("SuccessCriteriaMet", "CompletionsReached")]))
    assert (facts.outcome, facts.reason) == (None, "")


def test_finished_jobs() -> None:
    early = job_condition("FailureTarget", "PodFailurePolicy")
    failed = job_facts(job(conditions=[early, job_condition("Failed", "PodFailurePolicy")]))
    assert (failed.outcome, failed.reason, failed.finished_at) == (JobOutcome.FAILED, "PodFailurePolicy", at(30))
    assert job_facts(job(conditions=[job_condition("Complete")])).outcome is JobOutcome.COMPLETE
    assert job_facts(job(conditions=[job_condition("Complete", status="False")])).outcome is None


def test_only_the_controller_owns_a_job() -> None:
    item = job()
    item["metadata"]["ownerReferences"] = [
        {"kind": "Other", "name": "o", "uid": "1"},
        {"kind": "McpTask", "name": "t", "uid": "2", "controller": True},
    ]
    assert job_facts(item).owner == Owner("McpTask", "t", "2")
    assert job_facts(item).belongs_to("2")
    assert not job_facts(item).belongs_to("1")


def test_a_job_stays_suspended_until_the_job_controller_has_resumed_it() -> None:
    """Until then its startTime may be that of the time before."""
    assert job_facts(job(conditions=[job_condition("Suspended", "JobSuspended")])).suspended
    assert not job_facts(job(conditions=[job_condition("Suspended", "JobResumed", "False")])).suspended


def test_the_rest_of_a_job() -> None:
    item = job(startTime="2026-11-22T12:00:10Z")
    item["metadata"] |= {"deletionTimestamp": STAMP, "labels": {"kueue.x-k8s.io/queue-name": "q"}}
    item["spec"] |= {"suspend": True, "ttlSecondsAfterFinished": 0}
    facts = job_facts(item)
    assert (facts.start, facts.backoff_limit, facts.timeout_seconds) == (at(10), 2, 60)
    assert (facts.suspended, facts.ttl_seconds, facts.deleting, facts.queue) == (True, 0, True, "q")


def pod(status: JsonObject, **spec: object) -> JsonObject:
    return {
        "metadata": {
            "name": "p",
            "namespace": "ns",
            "uid": "pu",
            "creationTimestamp": STAMP,
            "labels": {"mcptasks.dev/task": "t", "mcptasks.dev/task-uid": "tu"},
        },
        "spec": {"containers": [{"name": "log"}, {"name": "runner", "image": "x"}], **spec},
        "status": status,
    }


def container(name: str, **state: object) -> JsonObject:
    return {"name": name, "state": state}


def test_a_pod_without_any_status_waits() -> None:
    facts = pod_facts(pod({}))
    assert facts.runner.name == "runner"
    assert facts.runner.state == WaitingState()
    assert [other.name for other in facts.others] == ["log"]
    assert not facts.started
    assert not facts.ended
    assert facts.task_uid == "tu"
    assert task_key(pod({})) == ("ns", "t")


def test_container_states() -> None:
    statuses = [
        container("log", running={"startedAt": STAMP}),
        container("runner", waiting={"reason": "R", "message": "m"}),
    ]
    facts = pod_facts(pod({"containerStatuses": statuses}))
    assert facts.others[0].state == RunningState(T0)
    assert facts.runner.state == WaitingState("R", "m")
    ended = {"exitCode": 137, "reason": "OOMKilled", "finishedAt": "2026-11-22T12:00:09Z"}
    facts = pod_facts(pod({"phase": "Failed", "containerStatuses": [container("runner", terminated=ended)]}))
    assert facts.runner.state == TerminatedState(137, reason="OOMKilled", finished_at=at(9))
    assert facts.ended
    assert facts.ended_at == at(9)


def test_without_a_container_named_runner_the_first_one_is_it() -> None:
    item = pod({"containerStatuses": [container("main", running={})]}, containers=[{"name": "main"}, {"name": "b"}])
    facts = pod_facts(item)
    assert facts.runner.name == "main"


def test_init_containers_are_marked() -> None:
    item = pod({"initContainerStatuses": [container("fetch", running={})]}, initContainers=[{"name": "fetch"}])
    fetch = pod_facts(item).others[0]
    assert (fetch.name, fetch.init) == ("fetch", True)


def test_pod_conditions() -> None:
    unschedulable = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1"}
    assert pod_facts(pod({"conditions": [unschedulable]})).unschedulable == "0/1"
    scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-11-22T12:00:05Z"}
    assert pod_facts(pod({"conditions": [scheduled]})).scheduled_at == at(5)
    assert pod_facts(pod({"conditions": [unschedulable | {"lastTransitionTime": STAMP}]})).scheduled_at is None
    gated = {**unschedulable, "reason": "SchedulingGated"}
    assert pod_facts(pod({"conditions": [gated]})).unschedulable is None
    target = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI", "message": "m"}
    assert pod_facts(pod({"conditions": [target]})).disruption == Disruption("EvictionByEvictionAPI", "m")
    assert pod_facts(pod({"conditions": [{**target, "status": "False"}]})).disruption is None


def test_only_warnings_count_and_the_latest_come_first() -> None:
    def event(kind: str, reason: str, **times: object) -> JsonObject:
        return {"metadata": {"creationTimestamp": STAMP}, "type": kind, "reason": reason, "message": "m", **times}

    events = [
        event("Warning", "Old"),
        event("Normal", "Fine"),
        event("Warning", "Series", series={"lastObservedTime": "2026-11-22T12:00:05.000000Z"}),
        event("Warning", "Newest", lastTimestamp="2026-11-22T12:00:09Z"),
    ]
    assert [warning.reason for warning in warning_events(events)] == ["Newest", "Series", "Old"]


@pytest.mark.parametrize(
    ("ready", "containers", "reason", "lost"),
    [
        ("True", "True", "", False),
        ("False", "True", "", True),
        ("False", "False", "ContainersNotReady", False),
        ("False", "True", "ReadinessGatesNotReady", False),
    ],
)
def test_a_node_that_does_not_answer_shows_in_its_pods(ready: str, containers: str, reason: str, lost: bool) -> None:
    conditions = [
        {"type": "Ready", "status": ready, "reason": reason},
        {"type": "ContainersReady", "status": containers},
    ]
    assert pod_facts({"metadata": {"name": "w", "uid": "u"}, "status": {"conditions": conditions}}).node_lost is lost
