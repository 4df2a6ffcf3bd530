"""Which tasks of each template wait for a worker, and which worker has which. Kept from the tasks' statuses alone."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar

from mcptasks.kube.watch_cache import Key, key_of
from mcptasks.model.base import LABEL_TEMPLATE, JsonObject, is_worker
from mcptasks.model.restored import is_restored_object
from mcptasks.model.task import DEFAULT_TEMPLATE, TERMINAL_PHASES
from mcptasks_operator.deciding.object_facts import parse_time
from mcptasks_operator.deciding.pool_estimates import PoolEstimates
from mcptasks_operator.watching.watched_kinds import WatchedKind


@dataclass(frozen=True, slots=True)
class OpenTask:
    """A task that has not ended: its template, and the uid of the Pod that has claimed it."""

    template: Key
    pod_uid: str | None = None


def template_key(task: JsonObject) -> Key | None:
    """The template that a task names; None where its spec cannot be understood."""
    spec = task.get("spec")
    reference = spec.get("templateRef") if isinstance(spec, dict) else None
    name = reference.get("name") if isinstance(reference, dict) else DEFAULT_TEMPLATE
    return (task["metadata"].get("namespace", ""), name) if isinstance(name, str) and isinstance(spec, dict) else None


def waits_for_place(task: JsonObject) -> bool:
    """Whether a limit keeps the task from starting: more workers would not help it."""
    spec, status = task["spec"], task.get("status") or {}
    limited = spec.get("maxConcurrent") or spec.get("maxRunningPerCaller")
    return bool(limited and not status.get("admittedAt") and not status.get("podUid"))


def open_task(task: JsonObject) -> OpenTask | None:
    """What a task's object says; None once it has ended, or where it says nothing that can be understood."""
    template, status = template_key(task), task.get("status") or {}
    if template is None or status.get("phase") in TERMINAL_PHASES or waits_for_place(task):
        return None
    if is_restored_object(task) and not status.get("podUid"):
        # Nobody runs it, and no worker is made for it.
        return None
    return OpenTask(template, status.get("podUid"))


def pool_key(kind: WatchedKind, item: JsonObject) -> Key | None:
    """The template whose workers an event may concern: its own, one of a task of it, or of one of its workers."""
    match kind:
        case WatchedKind.TEMPLATE:
            return key_of(item)
        case WatchedKind.TASK:
            return template_key(item)
        case WatchedKind.POD:
            namespace = item["metadata"].get("namespace", "")
            owners = item["metadata"].get("ownerReferences") or ()
            templates = (owner["name"] for owner in owners if owner.get("kind") == "McpTaskTemplate")
            labels = item["metadata"].get("labels") or {}
            name = next(templates, labels.get(LABEL_TEMPLATE) if is_worker(item) else None)
            return None if name is None else (namespace, name)
        case WatchedKind.JOB:
            return None


G = TypeVar("G", bound=Hashable)


@dataclass(eq=False)
class Groups(Generic[G]):
    """Sets of uids by what they have in common; an empty one is not kept."""

    _sets: dict[G, set[str]] = field(default_factory=dict)

    def add(self, group: G, uid: str) -> None:
        self._sets.setdefault(group, set()).add(uid)

    def discard(self, group: G, uid: str) -> None:
        members = self._sets.get(group, set())
        members.discard(uid)
        if not members:
            self._sets.pop(group, None)

    def of(self, group: G) -> frozenset[str]:
        return frozenset(self._sets.get(group, ()))


@dataclass(eq=False)
class WarmWork:
    """Open tasks by template and by the Pod that has them."""

    now: Callable[[], datetime]
    _open: dict[str, OpenTask] = field(default_factory=dict)
    _keys: dict[str, Key] = field(default_factory=dict)
    _waiting: Groups[Key] = field(default_factory=Groups)
    _held: Groups[str] = field(default_factory=Groups)
    _taken_at: dict[Key, datetime] = field(default_factory=dict)
    _held_since: dict[str, datetime] = field(default_factory=dict)
    _known: set[str] = field(default_factory=set)
    _estimates: dict[Key, PoolEstimates] = field(default_factory=dict)
    _idle_since: dict[str, datetime | None] = field(default_factory=dict)

    def note(self, key: Key, uid: str, task: JsonObject) -> None:
        """Take in a task as it is now."""
        self._count(uid, task)
        self._replace(key, uid, open_task(task))

    def forget(self, uid: str) -> None:
        """The task is gone."""
        self._known.discard(uid)
        self._replace(None, uid, None)

    def _count(self, uid: str, task: JsonObject) -> None:
        """A task counts once as called for, at its own time: a list after a restart is no rush."""
        template, created = template_key(task), parse_time(task["metadata"].get("creationTimestamp"))
        if template is None or created is None or uid in self._known or waits_for_place(task):
            return
        self._known.add(uid)
        self._estimates[template] = self.estimates(template).called(created)

    def _replace(self, key: Key | None, uid: str, after: OpenTask | None) -> None:
        before = self._open.pop(uid, None)
        if before is not None:
            self._take_out(uid, before)
        if before is not None and before.pod_uid is not None and (after is None or after.pod_uid != before.pod_uid):
            self._let_go(uid, before)
        if after is None or key is None:
            self._keys.pop(uid, None)
            return
        self._open[uid], self._keys[uid] = after, key
        if after.pod_uid is None:
            self._waiting.add(after.template, uid)
            return
        self._held.add(after.pod_uid, uid)
        if before is None or before.pod_uid != after.pod_uid:
            self._taken_at[after.template] = self._held_since[uid] = self.now()

    def _take_out(self, uid: str, before: OpenTask) -> None:
        if before.pod_uid is None:
            self._waiting.discard(before.template, uid)
            return
        self._held.discard(before.pod_uid, uid)
        if before.pod_uid in self._idle_since:
            self._idle_since[before.pod_uid] = self.now()

    def _let_go(self, uid: str, before: OpenTask) -> None:
        since = self._held_since.pop(uid, None)
        if since is not None:
            held = (self.now() - since).total_seconds()
            self._estimates[before.template] = self.estimates(before.template).ran(held)

    def estimates(self, template: Key) -> PoolEstimates:
        """What was seen so far of the template's calls."""
        return self._estimates.get(template) or PoolEstimates()

    def worker_started(self, template: Key, seconds: float) -> None:
        """A worker of the template was ready so long after it was made."""
        self._estimates[template] = self.estimates(template).started(seconds)

    def mean_age(self, pods: Iterable[str]) -> float:
        """For how many seconds, on average, the Pods have held what they hold; 0 where they hold nothing."""
        now = self.now()
        ages = [(now - self._held_since.get(uid, now)).total_seconds() for pod in pods for uid in self._held.of(pod)]
        return sum(ages) / len(ages) if ages else 0.0

    def waiting(self, template: Key) -> int:
        """How many tasks of the template no Pod has claimed."""
        return len(self._waiting.of(template))

    def waiting_keys(self, template: Key) -> list[Key]:
        """The tasks of the template that no Pod has claimed."""
        return [self._keys[uid] for uid in self._waiting.of(template)]

    def held_by(self, pod_uid: str) -> list[Key]:
        """The tasks that the Pod has claimed and that have not ended."""
        return [self._keys[uid] for uid in self._held.of(pod_uid)]

    def idle_since(self, pod_uid: str) -> datetime | None:
        """When the Pod last gave a task up or ended it; None if it never had one."""
        return self._idle_since.get(pod_uid)

    def last_taken_at(self, template: Key) -> datetime | None:
        """When a Pod last claimed a task of the template, if that is known."""
        return self._taken_at.get(template)

    def know_pod(self, pod_uid: str) -> None:
        """The Pod is a worker's. Of other Pods nothing is kept: each task may have one of its own."""
        self._idle_since.setdefault(pod_uid, None)

    def forget_pod(self, pod_uid: str) -> None:
        """The Pod is gone."""
        self._idle_since.pop(pod_uid, None)
