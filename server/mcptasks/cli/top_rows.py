"""What `mcptasks top` shows: tasks and pools as rows, their order, and how many there are. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from mcptasks.dashboard.task_rows import TaskRow, row_of, short_values, shown_part
from mcptasks.model.base import JsonObject
from mcptasks.model.excerpts import without_middle
from mcptasks.model.lifecycle import timestamp
from mcptasks.model.task import Phase, Reason
from mcptasks.model.task_template import Executor

SAID_CHARACTERS = 240


class TopState(StrEnum):
    """What becomes of a task at the moment: its phase, and of work that is not done whether anything runs it."""

    ASKING = "asking"
    RUNNING = "running"
    RETRYING = "retrying"
    WAITING = "waiting"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


OPEN_STATES = (TopState.ASKING, TopState.RUNNING, TopState.RETRYING, TopState.WAITING)
"""In the order in which people want to see them."""


class SortKey(StrEnum):
    """By what tasks are sorted."""

    STATE = "state"
    AGE = "age"
    RUNTIME = "runtime"
    PROGRESS = "progress"
    CPU = "cpu"
    MEMORY = "memory"
    TOOL = "tool"
    CALLER = "caller"
    NAME = "name"

    @property
    def next(self) -> SortKey:
        """The one that follows, and after the last the first."""
        keys = list(SortKey)
        return keys[(keys.index(self) + 1) % len(keys)]


@dataclass(frozen=True, slots=True)
class TopRow:
    """A task. `cpu_seconds` and `peak_memory` (bytes) are what its attempts have used that are over.

    `ahead` is how many tasks are to start before it, where that is known.
    """

    task: TaskRow
    state: TopState
    says: str = ""
    ahead: int = 0
    cpu_seconds: float | None = None
    peak_memory: int | None = None

    def dump(self, now: datetime) -> JsonObject:
        """As JSON values; what is not known is left out."""
        task, ran = self.task, self.task.ran(now)
        found: JsonObject = {
            "namespace": task.namespace,
            "name": task.name,
            "tool": task.tool,
            "state": self.state.value,
            "phase": task.phase.value,
            "reason": task.reason or None,
            "says": self.says or None,
            "caller": task.caller or None,
            "template": task.template,
            "pod": task.pod or None,
            "node": task.node or None,
            "createdAt": timestamp(task.created),
            "startedAt": None if task.started is None else timestamp(task.started),
            "finishedAt": None if task.finished is None else timestamp(task.finished),
            "ageSeconds": round(max((now - task.created).total_seconds(), 0), 3),
            "ranSeconds": None if ran is None else round(ran.total_seconds(), 3),
            "progress": task.current,
            "total": task.total,
            "percent": task.percent,
            "cpuSeconds": self.cpu_seconds,
            "peakMemoryBytes": self.peak_memory,
        }
        return {name: value for name, value in found.items() if value is not None}


def kept_part(item: JsonObject) -> JsonObject:
    """The part of a task's object that a row is made of, and that stays in memory while tasks are watched."""
    status, kept = item.get("status") or {}, shown_part(item)
    kept["status"] |= short_values(status, ("tasksAhead",))
    kept["status"]["usage"] = short_values(status.get("usage"), ("cpuSeconds", "peakMemoryBytes"))
    if asked := status.get("inputRequests"):
        kept["status"]["inputRequests"] = [
            {"message": without_middle(each.get("message") or "", SAID_CHARACTERS), "answered": _is_answered(each)}
            for each in asked
        ]
    return kept


def _is_answered(request: JsonObject) -> bool:
    return bool(request.get("answered")) or any(request.get(key) is not None for key in ("responseText", "error"))


def top_row(item: JsonObject) -> TopRow:
    """The row of a task's object, or of what `kept_part` leaves of it."""
    task, status = row_of(item), item.get("status") or {}
    state, usage = _state_of(task), status.get("usage") or {}
    return TopRow(
        task=task,
        state=state,
        says=_said(task, state, status),
        ahead=status.get("tasksAhead") or 0,
        cpu_seconds=usage.get("cpuSeconds"),
        peak_memory=usage.get("peakMemoryBytes"),
    )


def _state_of(task: TaskRow) -> TopState:
    if task.phase is Phase.INPUT_REQUIRED:
        return TopState.ASKING
    if task.phase is not Phase.WORKING:
        return TopState(task.phase.value)
    if task.reason == Reason.RETRYING:
        return TopState.RETRYING
    return TopState.WAITING if task.is_waiting else TopState.RUNNING


def _said(task: TaskRow, state: TopState, status: JsonObject) -> str:
    """What there is to say of the task in a line: how far it is, what it asks, why it waits or has failed."""
    if state is TopState.ASKING:
        asked = (each.get("message") for each in status.get("inputRequests") or () if not _is_answered(each))
        return str(next(filter(None, asked), "") or task.message)
    if state is TopState.RUNNING:
        return str((status.get("progress") or {}).get("message") or "")
    if state is TopState.WAITING and (ahead := status.get("tasksAhead")):
        return f"{ahead:,} ahead"
    if state is TopState.FAILED:
        message = task.message.removeprefix(f"Error executing tool {task.tool}: ")
        return ": ".join(filter(None, (task.reason, message)))
    return task.message if state in (TopState.WAITING, TopState.RETRYING) else ""


@dataclass(frozen=True)
class PoolRow:
    """The workers of a template with `executor: Warm`. `shortage` is why there are fewer than there should be."""

    namespace: str
    name: str
    ready: int = 0
    busy: int = 0
    starting: int = 0
    wanted: int = 0
    waiting: int = 0
    shortage: str = ""

    @property
    def idle(self) -> int:
        return max(self.ready - self.busy, 0)

    @property
    def missing(self) -> int:
        """Workers that there should be and that are not even starting."""
        return max(self.wanted - self.ready - self.starting, 0)

    def dump(self) -> JsonObject:
        """As JSON values."""
        return {
            "namespace": self.namespace,
            "template": self.name,
            "ready": self.ready,
            "busy": self.busy,
            "starting": self.starting,
            "wanted": self.wanted,
            "waitingTasks": self.waiting,
            **({"shortage": self.shortage} if self.shortage else {}),
        }


def pool_rows(templates: Iterable[JsonObject]) -> list[PoolRow]:
    """The pools of the templates, those first for whose workers the most tasks wait."""
    warm = [item for item in templates if (item.get("spec") or {}).get("executor") == Executor.WARM]
    return sorted(map(_pool, warm), key=lambda pool: (-pool.waiting, -pool.busy, pool.namespace, pool.name))


def _pool(template: JsonObject) -> PoolRow:
    metadata, status = template["metadata"], template.get("status") or {}
    ready, wanted = status.get("readyWorkers") or 0, status.get("wantedWorkers") or 0
    said = [each.get("message") or each.get("reason") or "" for each in status.get("conditions") or ()]
    return PoolRow(
        namespace=str(metadata.get("namespace", "")),
        name=str(metadata["name"]),
        ready=ready,
        busy=status.get("busyWorkers") or 0,
        starting=status.get("startingWorkers") or 0,
        wanted=wanted,
        waiting=status.get("waitingTasks") or 0,
        shortage=next(filter(None, said), "") if ready < wanted else "",
    )


@dataclass(frozen=True)
class TopView:
    """Which tasks are shown, and in which order. `first` is how many of them have been scrolled past."""

    sort: SortKey = SortKey.STATE
    reverse: bool = False
    ended: bool = True
    phases: frozenset[Phase] = frozenset()
    first: int = 0

    def shown(self, rows: Iterable[TopRow], now: datetime) -> list[TopRow]:
        """The tasks that are wanted, in order."""
        wanted = [row for row in rows if self._wants(row)]
        if self.sort is SortKey.STATE:
            wanted.sort(key=_by_state, reverse=self.reverse)
            return wanted
        value = _VALUES[self.sort]
        known = [row for row in wanted if value(row, now) is not None]
        rest = [row for row in wanted if value(row, now) is None]
        known.sort(key=_by_state)
        known.sort(key=lambda row: value(row, now), reverse=self.reverse != (self.sort in _LARGEST_FIRST))
        return [*known, *sorted(rest, key=_by_state)]

    def _wants(self, row: TopRow) -> bool:
        return (self.ended or row.task.is_open) and (not self.phases or row.task.phase in self.phases)


def counts_of(rows: Iterable[TopRow]) -> dict[TopState, int]:
    """How many tasks are in each state, all states in their order."""
    counted = Counter(row.state for row in rows)
    return {state: counted[state] for state in TopState}


def _by_state(row: TopRow) -> tuple[int, float, int, str]:
    """Work that is not done first, the longest at the top; then what has ended, the last at the top."""
    task = row.task
    if row.state in OPEN_STATES:
        since = task.started or task.created if row.state is TopState.RUNNING else task.created
        return OPEN_STATES.index(row.state), since.timestamp(), row.ahead, task.name
    return len(OPEN_STATES), -(task.finished or task.created).timestamp(), 0, task.name


def _runtime(row: TopRow, now: datetime) -> timedelta | None:
    return row.task.ran(now)


_VALUES: dict[SortKey, Callable[[TopRow, datetime], Any]] = {
    SortKey.AGE: lambda row, now: now - row.task.created,
    SortKey.RUNTIME: _runtime,
    SortKey.PROGRESS: lambda row, _now: row.task.percent,
    SortKey.CPU: lambda row, _now: row.cpu_seconds,
    SortKey.MEMORY: lambda row, _now: row.peak_memory,
    SortKey.TOOL: lambda row, _now: row.task.tool,
    SortKey.CALLER: lambda row, _now: row.task.caller or None,
    SortKey.NAME: lambda row, _now: row.task.name,
}

_LARGEST_FIRST = frozenset({SortKey.AGE, SortKey.RUNTIME, SortKey.PROGRESS, SortKey.CPU, SortKey.MEMORY})


@dataclass(frozen=True)
class TopFacts:
    """All that is known at one moment. `pools` is None where the user may not see templates.

    `where` says which tasks these are, in words. `unreachable` is for how many seconds the cluster has not answered.
    """

    rows: Sequence[TopRow]
    pools: Sequence[PoolRow] | None
    where: str
    now: datetime
    with_namespace: bool = False
    complete: bool = True
    unreachable: float = 0.0

    def dump(self, view: TopView, most: int | None = None) -> JsonObject:
        """As JSON values, with `most` tasks at most."""
        return {
            "at": timestamp(self.now),
            "states": {state.value: count for state, count in counts_of(self.rows).items()},
            "pools": None if self.pools is None else [pool.dump() for pool in self.pools],
            "tasks": [row.dump(self.now) for row in view.shown(self.rows, self.now)[:most]],
        }
