"""Whatever is in one object: the operator sees the others, and sees it go."""

from __future__ import annotations

from typing import Any

import pytest

from mcptasks.kube.watch_cache import Key
from mcptasks.model.base import LABEL_WORKER, JsonObject
from mcptasks_operator.metrics import LeadingWork, ProcessState
from mcptasks_operator.watching.cache import Cache
from mcptasks_operator.watching.handlers import handle_event
from mcptasks_operator.watching.queues import Queues
from mcptasks_operator.watching.watched_kinds import WatchedKind
from mcptasks_operator.watching.work_queue import WorkQueue
from tests.support.odd_objects import ODD_TASKS, with_parts
from tests.unit.operator.builders import UID, task_item

STAMP = "2026-11-22T12:00:00Z"
YEAR_ZERO = "0001-01-01T00:00:00+14:00"


def task(name: str, version: int, uid: str = UID) -> JsonObject:
    return task_item(metadata={"name": name, "resourceVersion": str(version), "uid": uid})


def item(name: str, version: int, **parts: Any) -> JsonObject:
    labels = {"mcptasks.dev/task": name, "mcptasks.dev/task-uid": UID}
    metadata = {"name": name, "namespace": "default", "uid": f"uid-of-{name}", "labels": labels}
    return {"metadata": {**metadata, "resourceVersion": str(version), "creationTimestamp": STAMP}, **parts}


ODD: dict[str, tuple[WatchedKind, JsonObject]] = {
    "podTemplate that is a list": (WatchedKind.TEMPLATE, item("odd", 5, spec={"podTemplate": [1]})),
    "unknown executor": (WatchedKind.TEMPLATE, item("odd", 5, spec={"executor": "Vm"})),
    "spec that is a text": (WatchedKind.TEMPLATE, item("odd", 5, spec="x")),
    "Job of another time": (WatchedKind.JOB, item("odd", 5, status={"startTime": YEAR_ZERO})),
    "Job with a condition of no type": (WatchedKind.JOB, item("odd", 5, status={"conditions": [{"status": "True"}]})),
    "Job with a template that is a list": (WatchedKind.JOB, item("odd", 5) | {"spec": {"template": [1]}}),
    "Pod of another time": (WatchedKind.POD, item("odd", 5, status={"startTime": YEAR_ZERO})),
    "Pod with a container of no name": (WatchedKind.POD, item("odd", 5, spec={"containers": [{}]})),
    "Pod with a status that is a list": (WatchedKind.POD, item("odd", 5, status=[1])),
}
each_odd_object = pytest.mark.parametrize(("kind", "odd"), ODD.values(), ids=ODD.keys())
each_odd_task = pytest.mark.parametrize("parts", ODD_TASKS.values(), ids=ODD_TASKS.keys())


@pytest.fixture
def cache() -> Cache:
    return Cache()


@pytest.fixture
def queued() -> list[Key]:
    return []


@pytest.fixture
def queues(queued: list[Key]) -> Queues:
    return Queues(queued.append, lambda _key: None)


def plain(kind: WatchedKind, version: int) -> JsonObject:
    return task("plain", version, "another") if kind is WatchedKind.TASK else item("plain", version)


def known(cache: Cache, kind: WatchedKind) -> set[str]:
    stores: dict[WatchedKind, Any] = {
        WatchedKind.TASK: cache.tasks,
        WatchedKind.TEMPLATE: cache.templates,
        WatchedKind.JOB: cache.jobs,
        WatchedKind.POD: cache.pods,
    }
    return {name for _, name in stores[kind]}


@each_odd_task
def test_an_odd_task_is_seen_as_any_other(
    cache: Cache, queues: Queues, queued: list[Key], parts: dict[str, JsonObject]
) -> None:
    odd = with_parts(task("odd", 5), parts)
    handle_event(cache, WatchedKind.TASK, "ADDED", odd, queues)
    assert cache.snapshot(("default", "odd")) is not None
    work = LeadingWork(WorkQueue[Key](), cache)
    assert sum(ProcessState(work=work).phases().values()) == 1
    handle_event(cache, WatchedKind.TASK, "DELETED", odd, queues)
    assert cache.snapshot(("default", "odd")) is None
    assert set(queued) == {("default", "odd")}


@each_odd_object
def test_an_odd_object_does_not_keep_the_others_from_being_seen(
    cache: Cache, queues: Queues, kind: WatchedKind, odd: JsonObject
) -> None:
    handle_event(cache, kind, "ADDED", odd, queues)
    handle_event(cache, kind, "ADDED", plain(kind, 6), queues)
    handle_event(cache, kind, "DELETED", odd, queues)
    assert known(cache, kind) == {"plain"}


@each_odd_object
def test_a_list_with_an_odd_object_is_taken_in(cache: Cache, kind: WatchedKind, odd: JsonObject) -> None:
    cache.replace(kind, [odd, plain(kind, 6)], "default", 9)
    assert "plain" in known(cache, kind)


@each_odd_object
def test_an_object_that_has_become_odd_is_seen_to_go(
    cache: Cache, queues: Queues, kind: WatchedKind, odd: JsonObject
) -> None:
    cache.put(kind, item("odd", 4))
    handle_event(cache, kind, "DELETED", odd, queues)
    assert known(cache, kind) == set()


def test_a_template_that_has_become_odd_is_not_used_as_it_was(cache: Cache, queues: Queues) -> None:
    cache.put(WatchedKind.TEMPLATE, item("odd", 4))
    handle_event(
        cache,
        WatchedKind.TEMPLATE,
        "MODIFIED",
        item("odd", 5, spec={"podTemplate": [1]}),
        queues,
    )
    assert cache.template("default", "odd") is None
    cache.put(WatchedKind.TEMPLATE, item("odd", 6))
    assert cache.template("default", "odd") is not None


def test_an_old_odd_template_says_nothing_of_the_new_one(cache: Cache, queues: Queues) -> None:
    cache.put(WatchedKind.TEMPLATE, item("odd", 6))
    handle_event(
        cache,
        WatchedKind.TEMPLATE,
        "MODIFIED",
        item("odd", 5, spec={"podTemplate": [1]}),
        queues,
    )
    assert cache.template("default", "odd") is not None


def test_an_odd_pod_does_not_hide_its_tasks_other_pods(cache: Cache) -> None:
    cache.put(WatchedKind.TASK, task("odd", 3))
    pods = [item("odd", 5, spec={"containers": [{}]}), item("odd", 6) | {"spec": {"containers": [{"name": "runner"}]}}]
    pods[1]["metadata"]["uid"] = "second"
    cache.replace_pods_of(("default", "odd"), UID, pods, 9)
    snapshot = cache.snapshot(("default", "odd"))
    assert snapshot is not None
    assert [pod.uid for pod in snapshot.pods] == ["second"]


def test_a_worker_that_has_become_odd_is_seen_to_go(cache: Cache, queues: Queues) -> None:
    worker = item("worker", 5, spec={"containers": [{"name": "runner"}]})
    worker["metadata"]["labels"] = {LABEL_WORKER: "true"}
    handle_event(cache, WatchedKind.POD, "ADDED", worker, queues)
    assert len(cache.all_workers()) == 1
    handle_event(cache, WatchedKind.POD, "DELETED", worker | {"spec": {"containers": [{}]}}, queues)
    assert cache.all_workers() == []
