"""A task as the list shows it: few facts, read from the object without parsing the rest of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from mcptasks.model.base import JsonObject, time_of
from mcptasks.model.excerpts import without_middle
from mcptasks.model.progress_text import percentage
from mcptasks.model.task import TERMINAL_PHASES, Phase, Reason

MESSAGE_CHARACTERS = 240
WAITS_TOO_LONG = timedelta(minutes=1)
SILENT_TOO_LONG = timedelta(minutes=10)
SLOW_FACTOR = 3.0
LEAST_SLOW = timedelta(seconds=30)
LEAST_SAMPLES = 5

_METADATA = ("namespace", "name", "uid", "resourceVersion", "creationTimestamp", "deletionTimestamp")
_SPEC = {"component": ("name",), "principal": ("subject", "clientId"), "templateRef": ("name",)}
_STATUS = (
    *("phase", "reason", "message", "executor", "attempts", "nodeName", "podName"),
    *("startedAt", "finishedAt", "lastUpdatedAt"),
)
_PROGRESS = ("current", "total", "message", "display")


@dataclass(frozen=True, slots=True)
class TaskRow:
    """What the list knows of a task. Times are in UTC."""

    namespace: str
    name: str
    tool: str
    phase: Phase
    reason: str
    message: str
    caller: str
    template: str
    executor: str
    created: datetime
    started: datetime | None = None
    finished: datetime | None = None
    updated: datetime | None = None
    current: float | None = None
    total: float | None = None
    progress_text: str = ""
    attempts: int = 0
    node: str = ""
    pod: str = ""
    deleting: bool = False

    @property
    def path(self) -> str:
        """Where the task's page is."""
        return f"/tasks/{self.namespace}/{self.name}"

    @property
    def is_open(self) -> bool:
        return self.phase not in TERMINAL_PHASES

    @property
    def is_waiting(self) -> bool:
        """Whether nothing runs it yet, or again."""
        return self.is_open and self.reason in ("", Reason.PENDING, Reason.RETRYING)

    @property
    def percent(self) -> int | None:
        """How far the tool says it is; None where it does not say."""
        if self.current is None or not self.total or self.total <= 0:
            return None
        if self.phase is Phase.COMPLETED:
            return 100
        share = percentage(self.current, self.total)
        return None if share is None else max(0, min(100, share))

    def ran(self, now: datetime) -> timedelta | None:
        """For how long the last attempt has run; None where none has begun."""
        if self.started is None:
            return None
        return max(timedelta(0), (self.finished or now) - self.started)

    def waited(self, now: datetime) -> timedelta:
        """For how long nothing has run it since it was accepted."""
        return max(timedelta(0), (self.started or self.finished or now) - self.created)


@dataclass(frozen=True)
class Concern:
    """A task that somebody should look at, and why."""

    row: TaskRow
    why: str
    rank: int


def shown_part(item: JsonObject) -> JsonObject:
    """The part of a task's object that the dashboard keeps in memory: what a row is made of, with no long text."""
    spec, status = item["spec"], item.get("status") or {}
    return {
        "metadata": {key: item["metadata"][key] for key in _METADATA if key in item["metadata"]},
        "spec": {key: short_values(spec.get(key), names) for key, names in _SPEC.items()},
        "status": {
            **short_values(status, _STATUS),
            "progress": short_values(status.get("progress"), _PROGRESS),
        },
    }


def short_values(value: object, names: Iterable[str]) -> JsonObject:
    """These values, with nothing longer than a row shows."""
    found = value if isinstance(value, Mapping) else {}
    return {name: _short(found[name]) for name in names if found.get(name) is not None}


def _short(value: object) -> object:
    if isinstance(value, str):
        return without_middle(value, MESSAGE_CHARACTERS)
    return value if isinstance(value, int | float) else None


def row_of(item: JsonObject) -> TaskRow:
    """The row of a task's object."""
    metadata, spec, status = item["metadata"], item["spec"], item.get("status") or {}
    progress = status.get("progress") or {}
    return TaskRow(
        namespace=metadata.get("namespace", ""),
        name=metadata["name"],
        tool=str((spec.get("component") or {}).get("name", "")),
        phase=Phase(status.get("phase") or Phase.WORKING),
        reason=status.get("reason") or "",
        message=without_middle(status.get("message") or "", MESSAGE_CHARACTERS),
        caller=caller_of(spec.get("principal") or {}),
        template=(spec.get("templateRef") or {}).get("name") or "default",
        executor=status.get("executor") or "",
        created=time_of(metadata.get("creationTimestamp")) or datetime.min.replace(tzinfo=_UTC),
        started=time_of(status.get("startedAt")),
        finished=time_of(status.get("finishedAt")),
        updated=time_of(status.get("lastUpdatedAt")),
        current=progress.get("current"),
        total=progress.get("total"),
        progress_text=without_middle(progress.get("message") or progress.get("display") or "", MESSAGE_CHARACTERS),
        attempts=status.get("attempts") or 0,
        node=status.get("nodeName") or "",
        pod=status.get("podName") or "",
        deleting=metadata.get("deletionTimestamp") is not None,
    )


_UTC = time_of("1970-01-01T00:00:00Z").tzinfo  # type: ignore[union-attr]


def caller_of(principal: Mapping[str, object]) -> str:
    """Who called, in one word; empty for a task that was made with kubectl."""
    return str(principal.get("subject") or principal.get("clientId") or "")


def usual_run_times(rows: Iterable[TaskRow]) -> dict[str, timedelta]:
    """The median run time of each tool that has completed often enough to tell."""
    seconds: dict[str, list[float]] = {}
    for row in rows:
        if row.phase is Phase.COMPLETED and row.started and row.finished:
            seconds.setdefault(row.tool, []).append((row.finished - row.started).total_seconds())
    return {tool: timedelta(seconds=median(found)) for tool, found in seconds.items() if len(found) >= LEAST_SAMPLES}


def concern_of(row: TaskRow, usual: Mapping[str, timedelta], now: datetime) -> Concern | None:
    """Why somebody should look at the task; None where nothing is wrong with it."""
    if not row.is_open:
        return None
    if row.phase is Phase.INPUT_REQUIRED:
        return Concern(row, "waits for an answer", 0)
    if row.reason == Reason.RETRYING:
        return Concern(row, "is being tried again", 1)
    if row.is_waiting:
        if now - row.created < WAITS_TOO_LONG:
            return None
        return Concern(row, f"has not started: {row.message}" if row.message else "has not started", 2)
    return _slow(row, usual.get(row.tool), now)


def _slow(row: TaskRow, usual: timedelta | None, now: datetime) -> Concern | None:
    ran = row.ran(now)
    if ran is None:
        return None
    if usual is not None and ran > max(LEAST_SLOW, usual * SLOW_FACTOR):
        times = ran / usual if usual else 0
        return Concern(row, f"runs {times:.0f} times as long as usual", 3)
    if row.current is not None and row.updated is not None and now - row.updated > SILENT_TOO_LONG:
        return Concern(row, "has reported nothing for 10 minutes", 4)
    return None
