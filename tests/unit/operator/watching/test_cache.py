"""The cache: the newest state wins, and what is deleted stays deleted."""

from __future__ import annotations

from typing import Any

import pytest

from mcptasks.model.base import JsonObject
from mcptasks_operator.watching.cache import Cache, trimmed
from mcptasks_operator.watching.watched_kinds import WatchedKind
from tests.unit.operator.builders import JOB_UID, TASK, UID, at, task_item

KEY = ("default", TASK)
STAMP = "2026-11-22T12:00:00Z"


def task(version: int = 7, uid: str = UID, **status: Any) -> JsonObject:
    return task_item(metadata={"resourceVersion": str(version), "uid": uid}, status=status)


def job(version: int = 8, uid: str = JOB_UID, owner: str = UID, **spec: Any) -> JsonObject:
    return {
        "metadata": {
            "name": TASK,
            "namespace": "default",
            "uid": uid,
            "resourceVersion": str(version),
            "creationTimestamp": STAMP,
            "ownerReferences": [{"kind": "McpTask", "name": TASK, "uid": owner, "controller": True}],
        },
        "spec": spec,
    }


def pod(version: int = 9, uid: str = "pod-1", owner: str = UID) -> JsonObject:
    return {
        "metadata": {
            "name": f"{TASK}-{uid}",
            "namespace": "default",
            "uid": uid,
            "resourceVersion": str(version),
            "creationTimestamp": STAMP,
            "labels": {"mcptasks.dev/task": TASK, "mcptasks.dev/task-uid": owner},
        },
        "spec": {"containers": [{"name": "runner"}]},
    }


@pytest.fixture
def cache() -> Cache:
    cache = Cache(now=lambda: at(30))
    cache.put(WatchedKind.TASK, task())
    return cache


def test_a_task_is_seen_with_its_job_and_pods(cache: Cache) -> None:
    assert cache.put(WatchedKind.JOB, job()) == KEY
    assert cache.put(WatchedKind.POD, pod()) == KEY
    seen = cache.snapshot(KEY)
    assert seen is not None
    assert seen.job is not None
    assert (seen.job.uid, [p.uid for p in seen.pods]) == (JOB_UID, ["pod-1"])


def test_what_belongs_to_no_known_task_is_not_seen() -> None:
    cache = Cache()
    cache.put(WatchedKind.JOB, job())
    assert cache.snapshot(KEY) is None


def test_pods_of_an_earlier_task_of_the_name_are_not_the_tasks(cache: Cache) -> None:
    cache.put(WatchedKind.POD, pod(owner="earlier"))
    seen = cache.snapshot(KEY)
    assert seen is not None
    assert seen.pods == ()


def test_an_older_state_changes_nothing(cache: Cache) -> None:
    assert cache.put(WatchedKind.TASK, task(6, phase="completed")) is None
    assert cache.put(WatchedKind.TASK, task(7, phase="completed")) is None
    seen = cache.snapshot(KEY)
    assert seen is not None
    assert seen.task["status"] == {}
    assert cache.put(WatchedKind.TASK, task(8, phase="working")) == KEY


def test_versions_are_compared_as_numbers(cache: Cache) -> None:
    assert cache.put(WatchedKind.TASK, task(10)) == KEY
    assert cache.put(WatchedKind.TASK, task(9)) is None


def test_a_deleted_job_leaves_a_tombstone_with_its_last_state(cache: Cache) -> None:
    cache.put(WatchedKind.JOB, job())
    assert cache.remove(WatchedKind.JOB, job(12, suspend=True)) == KEY
    seen = cache.snapshot(KEY)
    assert seen is not None
    assert seen.job is not None
    assert (seen.job.gone_at, seen.job.suspended) == (at(30), True)


def test_a_new_job_stands_before_the_tombstone_of_the_old_one(cache: Cache) -> None:
    cache.remove(WatchedKind.JOB, job())
    cache.put(WatchedKind.JOB, job(20, uid="second"))
    seen = cache.snapshot(KEY)
    assert seen is not None
    assert seen.job is not None
    assert (seen.job.uid, seen.job.gone_at) == ("second", None)


def test_the_tombstone_of_an_earlier_tasks_job_is_nobodys(cache: Cache) -> None:
    cache.put(WatchedKind.JOB, job(owner="earlier"))
    cache.remove(WatchedKind.JOB, job(12, owner="earlier"))
    seen = cache.snapshot(KEY)
    assert seen is not None
    assert seen.job is None


def test_a_deleted_pod_is_still_an_attempt(cache: Cache) -> None:
    cache.put(WatchedKind.POD, pod())
    cache.remove(WatchedKind.POD, pod(12))
    seen = cache.snapshot(KEY)
    assert seen is not None
    assert [(p.uid, p.gone_at, p.ended) for p in seen.pods] == [("pod-1", at(30), True)]


def test_a_list_from_before_the_deletion_brings_nothing_back(cache: Cache) -> None:
    cache.put(WatchedKind.JOB, job(8))
    cache.remove(WatchedKind.JOB, job(12))
    cache.replace(WatchedKind.JOB, [job(8)], None, 10)
    cache.remove(WatchedKind.TASK, task(13))
    cache.replace(WatchedKind.TASK, [task(7)], None, 10)
    assert cache.snapshot(KEY) is None


def test_a_late_event_after_an_own_delete_brings_nothing_back(cache: Cache) -> None:
    cache.put(WatchedKind.JOB, job(8))
    cache.remove_job(KEY, JOB_UID)
    assert cache.put(WatchedKind.JOB, job(8)) is None


def test_a_job_that_only_lost_its_label_comes_back_when_it_is_read(cache: Cache) -> None:
    """A watch with a selector tells of it as of a deletion."""
    cache.put(WatchedKind.JOB, job(8))
    cache.replace(WatchedKind.JOB, [], None, 50)
    cache.put(WatchedKind.JOB, job(8), asked_after=cache.jobs.deletions)
    seen = cache.snapshot(KEY)
    assert seen is not None
    assert seen.job is not None
    assert seen.job.gone_at is None


def test_a_job_that_is_deleted_while_it_is_read_stays_gone(cache: Cache) -> None:
    cache.put(WatchedKind.JOB, job(8))
    asked_after = cache.jobs.deletions
    cache.remove(WatchedKind.JOB, job(12))
    cache.put(WatchedKind.JOB, job(8), asked_after=asked_after)
    seen = cache.snapshot(KEY)
    assert seen is not None
    assert seen.job is not None
    assert seen.job.gone_at is not None


def test_a_list_removes_what_it_does_not_have(cache: Cache) -> None:
    cache.put(WatchedKind.JOB, job(8))
    assert cache.replace(WatchedKind.JOB, [], None, 20) == {KEY}
    seen = cache.snapshot(KEY)
    assert seen is not None
    assert seen.job is not None
    assert seen.job.gone_at is not None


def test_a_list_does_not_remove_what_is_newer_than_it(cache: Cache) -> None:
    cache.put(WatchedKind.JOB, job(30))
    assert cache.replace(WatchedKind.JOB, [], None, 20) == set()


def test_a_list_of_one_namespace_leaves_the_others_alone(cache: Cache) -> None:
    assert cache.replace(WatchedKind.TASK, [], "elsewhere", 100) == set()
    assert cache.replace(WatchedKind.TASK, [], "default", 100) == {KEY}


def test_the_list_of_one_tasks_pods_leaves_others_alone(cache: Cache) -> None:
    cache.put(WatchedKind.POD, pod(uid="a"))
    cache.put(WatchedKind.POD, pod(uid="b"))
    cache.put(WatchedKind.POD, pod(uid="c", owner="earlier"))
    cache.replace_pods_of(KEY, UID, [pod(uid="b")], 50)
    assert {p.uid for p in cache.pods.of(KEY)} == {"b", "c"}


def test_tombstones_go_with_their_task(cache: Cache) -> None:
    cache.put(WatchedKind.POD, pod())
    cache.put(WatchedKind.JOB, job())
    cache.remove(WatchedKind.POD, pod(12))
    cache.remove(WatchedKind.JOB, job(12))
    cache.remove(WatchedKind.TASK, task(13))
    assert not cache._gone_jobs
    assert not cache._gone_pods
    cache.put(WatchedKind.POD, pod(uid="late"))
    cache.remove(WatchedKind.POD, pod(15, uid="late"))
    assert not cache._gone_pods


def test_templates_come_and_go() -> None:
    cache = Cache()
    template = {
        "metadata": {"name": "gpu", "namespace": "default", "uid": "t", "resourceVersion": "1"},
        "spec": {"timeoutSeconds": 5},
    }
    assert cache.put(WatchedKind.TEMPLATE, template) is None
    found = cache.template("default", "gpu")
    assert found is not None
    assert found.timeout_seconds == 5
    cache.remove(WatchedKind.TEMPLATE, template)
    assert cache.template("default", "gpu") is None


def test_one_template_that_cannot_be_understood_does_not_spoil_the_list() -> None:
    cache = Cache()

    def template(name: str, **spec: Any) -> JsonObject:
        metadata = {"name": name, "namespace": "default", "uid": name, "resourceVersion": "1"}
        return {"metadata": metadata, "spec": spec}

    cache.replace(WatchedKind.TEMPLATE, [template("new", executor="Distant"), template("old")], None, 5)
    assert cache.template("default", "new") is None
    assert cache.template("default", "old") is not None


def test_pods_without_our_label_are_nobodys() -> None:
    item = pod()
    item["metadata"]["labels"] = {}
    assert Cache().put(WatchedKind.POD, item) is None


def test_large_parts_of_a_task_are_not_kept() -> None:
    item = task_item(
        spec={"arguments": {"x": "y" * 1000}, "retries": 2},
        status={
            "phase": "completed",
            "result": {"text": "z" * 1000},
            "conditions": [],
            "log": {"gzip": "z" * 1000, "attempt": 2, "stored": {"ref": "there"}},
        },
    )
    small = trimmed(item)
    assert small["spec"] == {"component": item["spec"]["component"], "retries": 2}
    log = {"attempt": 2, "stored": {"ref": "there"}}
    assert small["status"] == {"phase": "completed", "conditions": [], "log": log}
    assert small["metadata"]["uid"] == UID
    assert item["spec"]["arguments"], "the object itself is not changed"
    assert item["status"]["log"]["gzip"], "nor is a part of it"


def test_of_the_annotations_those_are_kept_that_say_whether_a_task_was_restored() -> None:
    annotations = {"mcptasks.dev/called-at": "x", "mcptasks.dev/restored": "true", "kubectl": "y" * 1000}
    kept = {"mcptasks.dev/called-at": "x", "mcptasks.dev/restored": "true"}
    assert trimmed(task_item(metadata={"annotations": annotations}))["metadata"]["annotations"] == kept
    assert "annotations" not in trimmed(task_item(metadata={"annotations": {"a": "b"}}))["metadata"]


def placed(second: int, template_hash: str, uid: str = "pod-1", version: int = 9) -> JsonObject:
    item = pod(version, uid)
    item["metadata"]["labels"]["mcptasks.dev/template-hash"] = template_hash
    stamp = f"2026-11-22T12:00:{second:02}Z"
    item["status"] = {"conditions": [{"type": "PodScheduled", "status": "True", "lastTransitionTime": stamp}]}
    return item


def test_the_last_turn_is_when_a_pod_from_the_same_pod_template_last_got_a_node(cache: Cache) -> None:
    cache.put(WatchedKind.POD, pod())
    assert cache.last_scheduled("default", "gpu") is None
    cache.put(WatchedKind.POD, placed(20, "gpu", "pod-2"))
    cache.put(WatchedKind.POD, placed(10, "gpu", "pod-3"))
    assert cache.last_scheduled("default", "gpu") == at(20)
    assert cache.last_scheduled("default", "small") is None
    assert cache.last_scheduled("elsewhere", "gpu") is None


def test_the_last_turn_outlives_its_pod(cache: Cache) -> None:
    item = placed(20, "gpu")
    cache.put(WatchedKind.POD, item)
    cache.remove(WatchedKind.POD, item)
    assert cache.last_scheduled("default", "gpu") == at(20)


def test_pods_that_tell_no_template_give_nobody_a_turn(cache: Cache) -> None:
    cache.put(WatchedKind.POD, placed(20, ""))
    assert cache.last_scheduled("default", "") is None


def worker(version: int = 9, **status: Any) -> JsonObject:
    item = pod(version, "worker-1", owner="")
    item["metadata"] |= {
        "name": "warm-w-1",
        "labels": {
            "mcptasks.dev/task": "",
            "mcptasks.dev/task-uid": "",
            "mcptasks.dev/worker": "true",
            "mcptasks.dev/template": "warm",
        },
        "ownerReferences": [{"kind": "McpTaskTemplate", "name": "warm", "uid": "template", "controller": True}],
    }
    return {**item, "status": status}


def held(version: int = 10) -> JsonObject:
    return task(version, phase="working", executor="Warm", podName="warm-w-1", podUid="worker-1")


def test_the_worker_that_has_a_task_is_seen_with_it(cache: Cache) -> None:
    assert cache.put(WatchedKind.POD, worker()) is None
    cache.put(WatchedKind.TASK, held())
    seen = cache.snapshot(KEY)
    assert seen is not None
    assert [each.uid for each in seen.pods] == ["worker-1"]
    assert cache.tasks_of_worker(worker()) == [KEY]


def test_a_worker_that_is_gone_is_remembered_while_it_has_tasks(cache: Cache) -> None:
    cache.put(WatchedKind.POD, worker())
    cache.put(WatchedKind.TASK, held())
    cache.remove(WatchedKind.POD, worker(11, phase="Failed"))
    seen = cache.snapshot(KEY)
    assert seen is not None
    assert [(each.uid, each.gone_at, each.phase) for each in seen.pods] == [("worker-1", at(30), "Failed")]


def test_a_list_without_a_worker_tells_its_tasks(cache: Cache) -> None:
    cache.put(WatchedKind.POD, worker())
    cache.put(WatchedKind.TASK, held())
    assert cache.replace(WatchedKind.POD, [], "default", 12) == {KEY}


def test_the_workers_of_a_template_are_those_that_it_owns(cache: Cache) -> None:
    cache.put(WatchedKind.POD, worker())
    template = {"metadata": {"name": "warm", "namespace": "default", "uid": "template", "resourceVersion": "3"}}
    cache.put(WatchedKind.TEMPLATE, {**template, "spec": {"executor": "Warm"}})
    known = cache.template_object(("default", "warm"))
    assert known is not None
    assert [each.name for each in cache.workers_of(known)] == ["warm-w-1"]
    adopted = worker(12)
    adopted["metadata"]["ownerReferences"] = [{"kind": "Job", "name": TASK, "uid": JOB_UID, "controller": True}]
    cache.put(WatchedKind.POD, adopted)
    assert cache.workers_of(known) == []
    assert cache.given_away(known) == 1
    adopted["metadata"]["resourceVersion"] = "13"
    cache.put(WatchedKind.POD, {**adopted, "status": {"phase": "Succeeded"}})
    assert cache.given_away(known) == 0
