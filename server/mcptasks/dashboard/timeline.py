"""What happened to a task and when, as lanes of spans: one for the task, one for each attempt. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from mcptasks.kube.task_attempts import Attempt, runs_in_worker
from mcptasks.model.base import JsonObject, time_of
from mcptasks.model.lifecycle import PODS_TERMINATED, created_at
from mcptasks.model.task import McpTask, Phase

SHOWN_ATTEMPTS = 20

WAITING, RUNNING, ASKING = "waiting", "running", "asking"


@dataclass(frozen=True)
class Moment:
    """Something that happened to the task."""

    name: str
    at: datetime
    detail: str = ""


@dataclass(frozen=True)
class LaneSpan:
    """A time in a lane; `kind` says how it looks. It goes on where `end` is None."""

    kind: str
    begin: datetime
    end: datetime | None
    label: str = ""

    def until(self, now: datetime) -> datetime:
        """Its end, or now."""
        return max(self.begin, self.end or now)


@dataclass(frozen=True)
class Lane:
    """Spans beneath each other are lanes; `outcome` says how it ended."""

    name: str
    spans: Sequence[LaneSpan]
    outcome: str = ""
    is_failed: bool = False


@dataclass(frozen=True)
class Timeline:
    """The whole life of a task, up to now."""

    moments: Sequence[Moment]
    lanes: Sequence[Lane]
    begin: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        return max(0.001, (self.end - self.begin).total_seconds())

    def share(self, moment: datetime) -> float:
        """Where the moment is, from 0 at the beginning to 1 at the end."""
        return max(0.0, min(1.0, (moment - self.begin).total_seconds() / self.seconds))


def timeline_of(task: McpTask, attempts: Sequence[Attempt], now: datetime) -> Timeline:
    """The task's life, from its object and, where they are there and may be seen, its Pods."""
    if runs_in_worker(task):
        # Its Pod is older than the task, and goes on after it.
        attempts = ()
    moments = _moments(task, attempts)
    finished = task.status.finished_at
    lanes = _attempt_lanes(attempts)
    ran = [span.begin for lane in lanes for span in lane.spans if span.kind != WAITING]
    lanes = [_task_lane(task, min(ran, default=None)), *lanes]
    ends = [span.until(now) for lane in lanes for span in lane.spans]
    begin = min([created_at(task), *(moment.at for moment in moments)])
    end = max([finished or now, *(moment.at for moment in moments), *(ends if finished is None else ())])
    return Timeline(moments, lanes, begin, max(end, begin + timedelta(milliseconds=1)))


def _moments(task: McpTask, attempts: Sequence[Attempt]) -> list[Moment]:
    status = task.status
    found = [Moment("Accepted", created_at(task), task.spec.principal.subject or "" if task.spec.principal else "")]
    found += [Moment("Placed", at, node) for attempt in attempts[-1:] for at, node in _placed(attempt.pod)]
    if status.started_at is not None:
        found.append(Moment("Started", status.started_at, status.pod_name or ""))
    found += [
        Moment("Asked", request.created_at, request.message or "")
        for request in status.input_requests or ()
        if request.created_at is not None
    ]
    if status.finished_at is not None:
        found.append(Moment(_END_NAMES[task.phase], status.finished_at, status.reason or ""))
    gone = status.condition(PODS_TERMINATED)
    if gone is not None and gone.status == "True" and gone.last_transition_time is not None:
        found.append(Moment("Processes gone", gone.last_transition_time))
    return sorted(found, key=lambda moment: moment.at)


_END_NAMES = {
    Phase.COMPLETED: "Completed",
    Phase.FAILED: "Failed",
    Phase.CANCELLED: "Cancelled",
    Phase.WORKING: "Ended",
    Phase.INPUT_REQUIRED: "Ended",
}


def _placed(pod: JsonObject) -> Iterable[tuple[datetime, str]]:
    for condition in (pod.get("status") or {}).get("conditions") or ():
        at = time_of(condition.get("lastTransitionTime"))
        if condition.get("type") == "PodScheduled" and condition.get("status") == "True" and at is not None:
            yield at, pod["spec"].get("nodeName") or ""


def _task_lane(task: McpTask, first_run: datetime | None) -> Lane:
    """Waiting, then running from its first attempt on, with the time that it asks for answers."""
    created, started, finished = created_at(task), task.status.started_at, task.status.finished_at
    started = min((known for known in (started, first_run) if known is not None), default=None)
    if started is None:
        return Lane("Task", [LaneSpan(WAITING, created, finished)])
    spans = [LaneSpan(WAITING, created, max(created, started))]
    since = task.status.input_since
    asks = task.phase is Phase.INPUT_REQUIRED and since is not None
    spans.append(LaneSpan(RUNNING if finished is None else task.phase.value, started, since if asks else finished))
    if asks and since is not None:
        spans.append(LaneSpan(ASKING, since, finished))
    return Lane("Task", [span for span in spans if span.end is None or span.end >= span.begin])


def _attempt_lanes(attempts: Sequence[Attempt]) -> list[Lane]:
    """A lane for each Pod of the task's own, where there was more than one or the task has ended otherwise."""
    lanes = [lane for attempt in attempts if (lane := _attempt_lane(attempt)) is not None]
    named = [
        Lane(f"Attempt {number}", lane.spans, lane.outcome, lane.is_failed) for number, lane in enumerate(lanes, 1)
    ]
    return named[-SHOWN_ATTEMPTS:] if len(named) > 1 else []


def _attempt_lane(attempt: Attempt) -> Lane | None:
    begin = time_of(attempt.pod["metadata"].get("creationTimestamp"))
    if begin is None:
        return None
    match attempt.state:
        case {"terminated": ended}:
            started, end = time_of(ended.get("startedAt")), time_of(ended.get("finishedAt"))
            failed = ended.get("exitCode") != 0
        case {"running": running}:
            started, end, failed = time_of(running.get("startedAt")), None, False
        case _:
            over = attempt.ended
            waiting = LaneSpan(WAITING, begin, begin if over else None)
            return Lane("", [waiting], attempt.outcome(), over)
    started = max(begin, started or begin)
    kind = RUNNING if end is None else ("failed" if failed else "completed")
    spans = [LaneSpan(WAITING, begin, started), LaneSpan(kind, started, end and max(end, started))]
    return Lane("", spans, "" if end is None else attempt.outcome(), failed)


def gaps(moments: Sequence[Moment]) -> list[tuple[Moment, timedelta | None]]:
    """Each moment with the time that has passed since the one before."""
    return (
        [
            (moments[0], None),
            *((later, later.at - earlier.at) for earlier, later in pairwise(moments)),
        ]
        if moments
        else []
    )
