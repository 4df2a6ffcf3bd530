"""What the operator has last seen of tasks, templates, Jobs and Pods.

Watch events, own writes and resyncs all go in here, in any order; the newest resource version wins (comparing them is
official since Kubernetes 1.35, KEP-5504). The last state of what is deleted is kept for as long as its task is there: a
Job's last conditions are its outcome, and a Pod's last state tells why it ended.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeAlias, TypeVar

from mcptasks.kube.watch_cache import Key, key_of, version_of
from mcptasks.model.base import ANNOTATION_CALLED_AT, ANNOTATION_RESTORED, JsonObject, is_worker
from mcptasks.model.lifecycle import utc_now
from mcptasks.model.names import label_value
from mcptasks.model.task_template import McpTaskTemplateSpec
from mcptasks_operator.deciding.object_facts import JobFacts, PodFacts, job_facts, pod_facts, task_key
from mcptasks_operator.deciding.worker_manifests import TemplateObject
from mcptasks_operator.watching.limited_tasks import LimitedTasks
from mcptasks_operator.watching.object_store import CachedObject, Store
from mcptasks_operator.watching.warm_work import WarmWork
from mcptasks_operator.watching.watched_kinds import WatchedKind

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TaskSnapshot:
    """All that is known of one task.

    `job` is the Job of the task's name or, if there is none, the last state of the task's own Job.
    """

    task: JsonObject
    job: JobFacts | None
    pods: tuple[PodFacts, ...]


T = TypeVar("T")

Tombstones: TypeAlias = dict[str, dict[str, T]]
"""Last states by the task's uid and the object's."""


@dataclass(eq=False)
class Cache:
    """Tasks, templates, Jobs and Pods as last seen."""

    now: Callable[[], datetime] = utc_now
    tasks: Store[JsonObject] = field(default_factory=Store)
    templates: Store[McpTaskTemplateSpec] = field(default_factory=Store)
    jobs: Store[JobFacts] = field(default_factory=Store)
    pods: Store[PodFacts] = field(default_factory=Store)
    workers: Store[PodFacts] = field(default_factory=Store)
    work: WarmWork = field(init=False)
    limited: LimitedTasks = field(default_factory=LimitedTasks)
    _template_states: dict[str, tuple[int | None, JsonObject]] = field(default_factory=dict)
    _gone_workers: dict[str, PodFacts] = field(default_factory=dict)
    _gone_jobs: Tombstones[JobFacts] = field(default_factory=dict)
    _gone_pods: Tombstones[PodFacts] = field(default_factory=dict)
    _last_scheduled: dict[Key, datetime] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.work = WarmWork(self.now)

    def snapshot(self, key: Key) -> TaskSnapshot | None:
        """What is known of a task; None if there is no such task."""
        tasks = self.tasks.of(key)
        if not tasks:
            return None
        task = tasks[-1]
        uid = task["metadata"]["uid"]
        live = self.jobs.of(key)
        gone = list(self._gone_jobs.get(uid, {}).values())
        job = live[-1] if live else (gone[-1] if gone else None)
        pods = [*self._gone_pods.get(uid, {}).values(), *(pod for pod in self.pods.of(key) if pod.task_uid == uid)]
        worker = self._worker_of(task)
        if worker is not None and all(pod.uid != worker.uid for pod in pods):
            pods.append(worker)
        return TaskSnapshot(task, job, tuple(pods))

    def _worker_of(self, task: JsonObject) -> PodFacts | None:
        """The worker that has claimed the task, gone or not."""
        status = task.get("status") or {}
        uid, name = status.get("podUid"), status.get("podName")
        if not uid or not name:
            return None
        live = self.workers.of((task["metadata"].get("namespace", ""), name))
        return next((pod for pod in live if pod.uid == uid), self._gone_workers.get(uid))

    def template_object(self, key: Key) -> TemplateObject | None:
        """The template with its uid, if it is known."""
        found = self.templates.entries(key)
        if not found:
            return None
        generation, status = self._template_states.get(found[-1].uid, (None, {}))
        return TemplateObject(*key, found[-1].uid, found[-1].value, generation, status)

    def all_templates(self) -> list[TemplateObject]:
        """The templates of all namespaces."""
        return [found for key in self.templates if (found := self.template_object(key)) is not None]

    def workers_of(self, template: TemplateObject) -> list[PodFacts]:
        """The Pods of the template's workers that no task's Job has taken over."""
        return [
            entry.value
            for key in self.workers
            if key[0] == template.namespace
            for entry in self.workers.entries(key)
            if entry.value.owner is not None and entry.value.owner.uid == template.uid
        ]

    def given_away(self, template: TemplateObject) -> int:
        """How many of the template's workers that have not ended a task's Job has taken over."""
        label = label_value(template.name)
        return sum(
            not pod.runner_ended and pod.worker.template == label
            for key in self.workers
            if key[0] == template.namespace
            for pod in self.workers.of(key)
            if pod.worker is not None and pod.owner is not None and pod.owner.kind == "Job"
        )

    def all_workers(self) -> list[PodFacts]:
        """The Pods of all workers."""
        return [worker for key in self.workers for worker in self.workers.of(key)]

    def template(self, namespace: str, name: str) -> McpTaskTemplateSpec | None:
        """The template, if it is known."""
        found = self.templates.of((namespace, name))
        return found[-1] if found else None

    def last_scheduled(self, namespace: str, template_hash: str) -> datetime | None:
        """When a Pod from this Pod template last got a node, if that is known."""
        return self._last_scheduled.get((namespace, template_hash))

    def put(self, kind: WatchedKind, item: JsonObject, asked_after: int = 0) -> Key | None:
        """Take in an object; returns the key of its task if there was anything new.

        `asked_after` is for an object that was read by its name: how many deletions of its kind were known before.

        Raises:
            ValueError: the object does not fit the model: the CRD is newer than this operator.
        """
        if kind is WatchedKind.POD and is_worker(item):
            facts = pod_facts(item)
            if self.workers.put(CachedObject(key_of(item), facts.uid, version_of(item), facts)):
                self.work.know_pod(facts.uid)
        key = _key(kind, item)
        if key is None:
            return None
        uid, version = item["metadata"]["uid"], version_of(item)
        match kind:
            case WatchedKind.TASK:
                changed = self.tasks.put(CachedObject(key, uid, version, trimmed(item)))
                if changed:
                    self.work.note(key, uid, item)
                    self.limited.note(key, uid, item)
            case WatchedKind.TEMPLATE:
                self._put_template(key, uid, version, item)
                return None
            case WatchedKind.JOB:
                changed = self.jobs.put(CachedObject(key, uid, version, job_facts(item)), asked_after)
            case WatchedKind.POD:
                pod = pod_facts(item)
                changed = self.pods.put(CachedObject(key, uid, version, pod))
                self._note_scheduling(key[0], pod)
        return key if changed else None

    def _put_template(self, key: Key, uid: str, version: int, item: JsonObject) -> None:
        try:
            spec = McpTaskTemplateSpec.model_validate(item.get("spec") or {})
        except ValueError:
            # What it said before holds no more.
            if any(entry.uid == uid and entry.version < version for entry in self.templates.entries(key)):
                self.templates.remove(key, uid, version)
            raise
        if self.templates.put(CachedObject(key, uid, version, spec)):
            self._template_states[uid] = item["metadata"].get("generation"), item.get("status") or {}

    def _note_scheduling(self, namespace: str, pod: PodFacts) -> None:
        if pod.scheduled_at is not None and pod.template_hash:
            key = namespace, pod.template_hash
            self._last_scheduled[key] = max(pod.scheduled_at, self._last_scheduled.get(key, pod.scheduled_at))

    def remove(self, kind: WatchedKind, item: JsonObject) -> Key | None:
        """Record that an object is gone; `item` is its last state. Returns the key of its task."""
        key, uid, version = _key(kind, item), item["metadata"]["uid"], version_of(item)
        try:
            self.put(kind, item)
        finally:
            if kind is WatchedKind.POD and is_worker(item):
                self.remove_worker(key_of(item), uid, version)
            if key is not None:
                self._record_removal(kind, key, uid, version)
        return None if kind is WatchedKind.TEMPLATE else key

    def remove_job(self, key: Key, uid: str) -> None:
        """Record that a Job is gone, without a last state of it."""
        self._record_removal(WatchedKind.JOB, key, uid)

    def remove_pod(self, key: Key, uid: str) -> None:
        """Record that a Pod is gone, without a last state of it."""
        self._record_removal(WatchedKind.POD, key, uid)

    def remove_worker(self, key: Key, uid: str, version: int | None = None) -> None:
        """Record that a worker's Pod is gone; its last state is kept while it has tasks."""
        entry = self.workers.remove(key, uid, version)
        self.work.forget_pod(uid)
        if entry is not None and self.work.held_by(uid):
            self._gone_workers[uid] = replace(entry.value, gone_at=self.now())
        for gone in [each for each in self._gone_workers if not self.work.held_by(each)]:
            del self._gone_workers[gone]

    def tasks_of_worker(self, item: JsonObject) -> list[Key]:
        """The tasks that a Pod has, if it is a worker's."""
        return self.work.held_by(item["metadata"]["uid"]) if is_worker(item) else []

    def forget_task(self, key: Key, uid: str) -> None:
        """Record that a task is gone."""
        self._record_removal(WatchedKind.TASK, key, uid)

    def _record_removal(self, kind: WatchedKind, key: Key, uid: str, version: int | None = None) -> None:
        match kind:
            case WatchedKind.TASK:
                self.tasks.remove(key, uid, version)
                self.work.forget(uid)
                self.limited.forget(uid)
                self._gone_jobs.pop(uid, None)
                self._gone_pods.pop(uid, None)
            case WatchedKind.TEMPLATE:
                if self.templates.remove(key, uid, version) is not None:
                    self._template_states.pop(uid, None)
            case WatchedKind.JOB:
                self._keep_gone_job(self.jobs.remove(key, uid, version))
            case WatchedKind.POD:
                self._keep_gone_pod(self.pods.remove(key, uid, version))

    def _keep_gone_job(self, entry: CachedObject[JobFacts] | None) -> None:
        if entry is None or entry.value.owner is None or not self._knows(entry.key, entry.value.owner.uid):
            return
        gone = replace(entry.value, gone_at=self.now())
        self._gone_jobs.setdefault(entry.value.owner.uid, {})[entry.uid] = gone

    def _keep_gone_pod(self, entry: CachedObject[PodFacts] | None) -> None:
        if entry is None or not self._knows(entry.key, entry.value.task_uid):
            return
        gone = replace(entry.value, gone_at=self.now())
        self._gone_pods.setdefault(entry.value.task_uid, {})[entry.uid] = gone

    def _knows(self, key: Key, uid: str) -> bool:
        return any(task["metadata"]["uid"] == uid for task in self.tasks.of(key))

    def replace(self, kind: WatchedKind, items: Iterable[JsonObject], namespace: str | None, version: int) -> set[Key]:
        """Take in a whole list: what it should contain and does not is gone. Returns the keys that changed."""
        changed: set[Key | None] = set()
        listed = set()
        for item in items:
            listed.add(item["metadata"]["uid"])
            changed.add(self._put_listed(kind, item))
        if kind is WatchedKind.POD:
            changed |= self._forget_vanished_workers(listed, namespace, version)
        for entry in self._vanished(kind, listed, namespace, version):
            self._record_removal(kind, *entry, version)
            changed.add(None if kind is WatchedKind.TEMPLATE else entry[0])
        return {key for key in changed if key is not None}

    def _forget_vanished_workers(self, listed: set[str], namespace: str | None, version: int) -> set[Key]:
        """Returns the tasks that they had."""
        changed: set[Key] = set()
        for entry in self.workers.vanished(listed, namespace, version):
            changed.update(self.work.held_by(entry.uid))
            self.remove_worker(entry.key, entry.uid, version)
        return changed

    def _put_listed(self, kind: WatchedKind, item: JsonObject) -> Key | None:
        """`put` for one of many: one that cannot be understood is logged, and does not hide the others."""
        try:
            return self.put(kind, item)
        except Exception:
            logger.exception("%s %s cannot be understood", kind.value, item["metadata"].get("name"))
            return None

    def replace_pods_of(self, key: Key, uid: str, items: Iterable[JsonObject], version: int) -> None:
        """Take in the list of one task's Pods."""
        listed = set()
        for item in items:
            listed.add(item["metadata"]["uid"])
            self._put_listed(WatchedKind.POD, item)
        for entry in self.pods.entries(key):
            if entry.value.task_uid == uid and entry.uid not in listed and entry.version <= version:
                self._record_removal(WatchedKind.POD, key, entry.uid, version)

    def _vanished(
        self, kind: WatchedKind, listed: set[str], namespace: str | None, version: int
    ) -> list[tuple[Key, str]]:
        return [(entry.key, entry.uid) for entry in self._store(kind).vanished(listed, namespace, version)]

    def _store(self, kind: WatchedKind) -> Store[Any]:
        match kind:
            case WatchedKind.TASK:
                return self.tasks
            case WatchedKind.TEMPLATE:
                return self.templates
            case WatchedKind.JOB:
                return self.jobs
            case WatchedKind.POD:
                return self.pods


def _key(kind: WatchedKind, item: JsonObject) -> Key | None:
    """The key of the object's task: a Job has the task's name, a Pod names it in a label."""
    return task_key(item) if kind is WatchedKind.POD else key_of(item)


_LARGE_SPEC = frozenset({"arguments", "argumentsText", "request", "principal"})
_LARGE_STATUS = frozenset({"result", "error", "inputRequests", "progress"})
_LOG_TEXT = frozenset({"text", "gzip"})
_LARGE_METADATA = frozenset({"managedFields", "annotations"})
_KEPT_ANNOTATIONS = frozenset({ANNOTATION_CALLED_AT, ANNOTATION_RESTORED})


def trimmed(task: JsonObject) -> JsonObject:
    """The task without what the operator never reads, so that thousands of finished ones fit into little memory."""
    parts = {"metadata": _LARGE_METADATA, "spec": _LARGE_SPEC, "status": _LARGE_STATUS}
    kept = {
        name: {key: value for key, value in (part or {}).items() if key not in parts[name]} if name in parts else part
        for name, part in task.items()
    }
    annotations = ((task.get("metadata") or {}).get("annotations") or {}).items()
    if known := {key: value for key, value in annotations if key in _KEPT_ANNOTATIONS}:
        kept["metadata"]["annotations"] = known
    if (log := (kept.get("status") or {}).get("log")) is not None:
        kept["status"]["log"] = {key: value for key, value in log.items() if key not in _LOG_TEXT}
    return kept
