"""How it goes over all: throughput, waiting and run times of the last hour, failures; queues and workers. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from mcptasks.dashboard.plots import Tick, duration
from mcptasks.dashboard.task_rows import TaskRow
from mcptasks.model.base import (
    ANNOTATION_CONCURRENCY,
    ANNOTATION_DRAIN,
    LABEL_TEMPLATE,
    JsonObject,
    time_of,
)
from mcptasks.model.task import Phase

WINDOW = timedelta(hours=1)
BINS = 30
SHARES = (50, 90, 99)
SHOWN_WAITING = 10
SHOWN_FAILURES = 10


@dataclass(frozen=True)
class EndedBar:
    """What has ended in a part of the hour."""

    begin: datetime
    completed: int
    failed: int
    cancelled: int

    @property
    def total(self) -> int:
        return self.completed + self.failed + self.cancelled


@dataclass(frozen=True)
class Percentiles:
    """Times of one tool, or of all: how many, and below which time which share of them is."""

    name: str
    count: int
    waited: Sequence[timedelta]
    ran: Sequence[timedelta]


@dataclass(frozen=True)
class FailureShare:
    """How many tasks have failed for one reason, and a task that did last."""

    reason: str
    count: int
    share: float
    latest: TaskRow


@dataclass(frozen=True)
class Overview:
    """The last hour."""

    bars: Sequence[EndedBar]
    highest: int
    ticks: Sequence[Tick]
    ended: int
    accepted: int
    open: int
    failed: int
    times: Sequence[Percentiles]
    slowest: timedelta
    failures: Sequence[FailureShare]

    @property
    def per_minute(self) -> float:
        return self.ended / (WINDOW / timedelta(minutes=1))

    @property
    def failed_percent(self) -> float:
        return 100 * self.failed / self.ended if self.ended else 0.0

    @property
    def summary(self) -> str:
        """The plot in words."""
        ended = f"{self.ended} tasks have ended in the last hour, {self.failed} of them failed"
        return f"{ended}; at most {self.highest} in 2 minutes"


def percentile(values: Sequence[timedelta], share: int) -> timedelta:
    """The value below which that share of the sorted values is (nearest rank); nothing of nothing."""
    if not values:
        return timedelta(0)
    return values[max(0, -(-len(values) * share // 100) - 1)]


def overview_of(rows: Iterable[TaskRow], now: datetime) -> Overview:
    """The overview of tasks that the viewer may see."""
    rows = list(rows)
    since = now - WINDOW
    ended = [row for row in rows if row.finished is not None and row.finished >= since]
    failures = [row for row in ended if row.phase is Phase.FAILED]
    bars = _bars(ended, since)
    times = _times(ended, now)
    return Overview(
        bars=bars,
        highest=max((bar.total for bar in bars), default=0),
        ticks=[Tick(minutes / 60, f"-{60 - minutes} m" if minutes < 60 else "now") for minutes in range(0, 61, 15)],
        ended=len(ended),
        accepted=sum(row.created >= since for row in rows),
        open=sum(row.is_open for row in rows),
        failed=len(failures),
        times=times,
        slowest=max((time for found in times for time in (*found.waited, *found.ran)), default=timedelta(0)),
        failures=_failures(failures),
    )


def _bars(ended: Sequence[TaskRow], since: datetime) -> list[EndedBar]:
    step = WINDOW / BINS
    counted = Counter((min(BINS - 1, int((row.finished - since) / step)), row.phase) for row in ended if row.finished)
    return [
        EndedBar(
            since + number * step,
            counted[number, Phase.COMPLETED],
            counted[number, Phase.FAILED],
            counted[number, Phase.CANCELLED],
        )
        for number in range(BINS)
    ]


def _times(ended: Sequence[TaskRow], now: datetime) -> list[Percentiles]:
    by_tool: dict[str, list[TaskRow]] = {}
    for row in ended:
        if row.started is not None:
            by_tool.setdefault(row.tool, []).append(row)
    named = sorted(by_tool.items(), key=lambda item: -len(item[1]))[:10]
    everything = [row for found in by_tool.values() for row in found]
    return [_percentiles(name, found, now) for name, found in [("all tools", everything), *named] if found]


def _percentiles(name: str, rows: Sequence[TaskRow], now: datetime) -> Percentiles:
    waited = sorted(row.waited(now) for row in rows)
    ran = sorted(row.ran(now) or timedelta(0) for row in rows)
    return Percentiles(
        name,
        len(rows),
        [percentile(waited, share) for share in SHARES],
        [percentile(ran, share) for share in SHARES],
    )


def _failures(failed: Sequence[TaskRow]) -> list[FailureShare]:
    by_reason: dict[str, list[TaskRow]] = {}
    for row in sorted(failed, key=lambda row: row.finished or row.created):
        by_reason.setdefault(row.reason or "unknown", []).append(row)
    found = sorted(by_reason.items(), key=lambda item: -len(item[1]))[:SHOWN_FAILURES]
    return [FailureShare(reason, len(rows), len(rows) / len(failed), rows[-1]) for reason, rows in found]


@dataclass(frozen=True)
class WorkerRow:
    """A worker's Pod, and what it runs."""

    namespace: str
    name: str
    node: str
    state: str
    since: datetime | None
    concurrency: int
    running: Sequence[TaskRow]


@dataclass(frozen=True)
class TemplateQueue:
    """A template: its workers where it has some, what runs, and what waits, the oldest first."""

    namespace: str
    name: str
    executor: str
    smallest: int
    largest: int
    workers: Sequence[WorkerRow]
    running: Sequence[TaskRow]
    waiting: Sequence[TaskRow]

    @property
    def shown_waiting(self) -> Sequence[TaskRow]:
        return self.waiting[:SHOWN_WAITING]

    @property
    def callers(self) -> Sequence[tuple[str, int]]:
        """Whose tasks wait, the most first."""
        return Counter(row.caller or "not signed in" for row in self.waiting).most_common(5)

    @property
    def places(self) -> int:
        """How many tasks its workers can run at the same time."""
        return sum(worker.concurrency for worker in self.workers)


def queues_of(
    rows: Iterable[TaskRow], templates: Iterable[JsonObject], pods: Iterable[JsonObject]
) -> Sequence[TemplateQueue]:
    """All templates, and those that tasks name though they are not there."""
    unfinished: dict[tuple[str, str], list[TaskRow]] = {}
    for row in rows:
        if row.is_open:
            unfinished.setdefault((row.namespace, row.template), []).append(row)
    workers: dict[tuple[str, str], list[JsonObject]] = {}
    for pod in pods:
        metadata = pod["metadata"]
        key = metadata.get("namespace", ""), (metadata.get("labels") or {}).get(LABEL_TEMPLATE, "")
        workers.setdefault(key, []).append(pod)
    specs = {
        (item["metadata"].get("namespace", ""), item["metadata"]["name"]): item.get("spec") or {} for item in templates
    }
    keys = sorted(unfinished.keys() | workers.keys() | specs.keys())
    return [_queue(key, specs.get(key, {}), workers.get(key, []), unfinished.get(key, [])) for key in keys]


def _queue(
    key: tuple[str, str], spec: Mapping[str, object], pods: Sequence[JsonObject], rows: Sequence[TaskRow]
) -> TemplateQueue:
    warm = spec.get("warm")
    warm = warm if isinstance(warm, dict) else {}
    running = sorted((row for row in rows if not row.is_waiting), key=lambda row: row.created)
    return TemplateQueue(
        namespace=key[0],
        name=key[1],
        executor=str(spec.get("executor") or "Job"),
        smallest=int(warm.get("minWorkers", 1)),
        largest=int(warm.get("maxWorkers", 10)),
        workers=[_worker(pod, running) for pod in sorted(pods, key=lambda pod: str(pod["metadata"]["name"]))],
        running=running,
        waiting=sorted((row for row in rows if row.is_waiting), key=lambda row: row.created),
    )


def _worker(pod: JsonObject, running: Sequence[TaskRow]) -> WorkerRow:
    metadata, status = pod["metadata"], pod.get("status") or {}
    annotations = metadata.get("annotations") or {}
    concurrency = str(annotations.get(ANNOTATION_CONCURRENCY) or "1")
    return WorkerRow(
        namespace=metadata.get("namespace", ""),
        name=metadata["name"],
        node=(pod.get("spec") or {}).get("nodeName") or "",
        state=_state(metadata, annotations, status),
        since=time_of(metadata.get("creationTimestamp")),
        concurrency=int(concurrency) if concurrency.isascii() and concurrency.isdigit() and len(concurrency) < 7 else 1,
        running=[row for row in running if row.pod == metadata["name"]],
    )


def _state(metadata: JsonObject, annotations: JsonObject, status: JsonObject) -> str:
    if metadata.get("deletionTimestamp"):
        return "ending"
    if annotations.get(ANNOTATION_DRAIN) == "true":
        return "draining"
    ready = any(c.get("type") == "Ready" and c.get("status") == "True" for c in status.get("conditions") or ())
    return "ready" if ready else str(status.get("phase") or "Pending").lower()


def shares_in_words(times: Sequence[timedelta]) -> str:
    """The percentiles for those who do not see the bars."""
    return ", ".join(f"{share} % within {duration(time)}" for share, time in zip(SHARES, times, strict=True))
