"""The tasks whose tool or caller may run only so many at a time: which of them hold a place, and whose turn it is.

What holds a place is told by the tasks' own statuses, so that an operator that begins to lead knows it from its first
list. A place that this operator has given counts from that moment, whatever becomes of the write that says so.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from datetime import datetime

from mcptasks.kube.watch_cache import Key
from mcptasks.model.base import JsonObject
from mcptasks.model.lifecycle import PODS_TERMINATED
from mcptasks.model.restored import is_restored_object
from mcptasks.model.task import TERMINAL_PHASES, ComponentKind, McpTaskSpec
from mcptasks_operator.deciding.object_facts import NEVER, parse_time
from mcptasks_operator.deciding.turns import LimitedTask, TaskLimit, Turn, turns

_DEFAULT_SERVER = str(McpTaskSpec.model_fields["server"].default)


def limits_of(task: JsonObject) -> tuple[TaskLimit, ...]:
    """The limits that a task's spec names, that of its component first."""
    spec, namespace = task.get("spec"), task["metadata"].get("namespace", "")
    if not isinstance(spec, dict):
        return ()
    server = spec.get("server") or _DEFAULT_SERVER
    found = []
    if most := spec.get("maxConcurrent"):
        component = spec["component"]
        kind, name = component.get("kind") or ComponentKind.TOOL.value, component["name"]
        says = f"{kind} {name} runs at most {{most}} at a time"
        found.append(TaskLimit((namespace, server, kind, name), int(most), says))
    if most := spec.get("maxRunningPerCaller"):
        caller = namespace, server, caller_of(task)
        found.append(TaskLimit(caller, int(most), "one caller's tasks run at most {most} at a time"))
    return tuple(found)


def caller_of(task: JsonObject) -> Hashable:
    """Who is one caller; those without a token are one, too."""
    principal = task["spec"].get("principal")
    return None if principal is None else tuple(principal.get(key) or "" for key in ("clientId", "issuer", "subject"))


def has_started(status: JsonObject) -> bool:
    """Whether a task has a place: it was given one, or has been run without being asked."""
    return any(status.get(name) for name in ("admittedAt", "podUid", "jobName"))


def holds_nothing(status: JsonObject) -> bool:
    """Whether a task neither waits for a place nor has one any more."""
    if status.get("phase") not in TERMINAL_PHASES:
        return False
    conditions = status.get("conditions") or ()
    gone = any(c.get("type") == PODS_TERMINATED and c.get("status") == "True" for c in conditions)
    return gone or not has_started(status)


@dataclass(eq=False)
class LimitedTasks:
    """All tasks with limits that are not over."""

    _tasks: dict[str, LimitedTask] = field(default_factory=dict)
    _keys: dict[str, Key] = field(default_factory=dict)
    _given: set[str] = field(default_factory=set)
    _last_start: dict[tuple[Hashable, Hashable], datetime] = field(default_factory=dict)
    _turns: dict[str, Turn] | None = None
    _changed: bool = False

    def note(self, key: Key, uid: str, task: JsonObject) -> None:
        """Take in a task as it is now. A restored one never starts: it waits for no place."""
        status, limits = task.get("status") or {}, limits_of(task)
        if not limits or holds_nothing(status) or (is_restored_object(task) and not has_started(status)):
            self.forget(uid)
            return
        created = parse_time(task["metadata"].get("creationTimestamp")) or NEVER
        held = has_started(status) or uid in self._given
        found = LimitedTask(uid, key[1], created, caller_of(task), limits, held)
        if (admitted := parse_time(status.get("admittedAt"))) is not None:
            turn = found.line, found.caller
            self._last_start[turn] = max(admitted, self._last_start.get(turn, admitted))
        if self._tasks.get(uid) != found:
            self._tasks[uid], self._keys[uid] = found, key
            self._change()

    def forget(self, uid: str) -> None:
        """The task is gone, or over."""
        self._given.discard(uid)
        if self._tasks.pop(uid, None) is not None:
            del self._keys[uid]
            self._change()

    def _change(self) -> None:
        self._turns, self._changed = None, True

    def turn(self, uid: str) -> Turn | None:
        """The turn of a task; None where it has no limits, or has its place."""
        if uid in self._given and uid in self._tasks:
            return Turn(may_start=True)
        return self._known_turns().get(uid)

    def give(self, uid: str, now: datetime) -> None:
        """The task has a place from now on: its status is about to say so."""
        found = self._tasks.get(uid)
        if found is not None and not found.holds:
            self._given.add(uid)
            self._tasks[uid] = replace(found, holds=True)
            self._last_start[found.line, found.caller] = now
            self._turns = None

    def next_ones(self) -> list[Key]:
        """The tasks that may start by now, if anything has changed since this was last asked."""
        if not self._changed:
            return []
        self._changed = False
        return [self._keys[uid] for uid, turn in self._known_turns().items() if turn.may_start]

    def _known_turns(self) -> dict[str, Turn]:
        if self._turns is None:
            lines = {task.line for task in self._tasks.values()}
            self._last_start = {turn: at for turn, at in self._last_start.items() if turn[0] in lines}
            self._turns = turns(self._tasks.values(), self._last_start)
        return self._turns
