"""What a template's status says of its workers. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from mcptasks.model.base import JsonObject
from mcptasks.model.diagnosis import Diagnosis
from mcptasks.model.excerpts import without_middle
from mcptasks.model.lifecycle import timestamp
from mcptasks.model.task import MAX_CONDITION_MESSAGE, Condition
from mcptasks_operator.deciding.pool_plan import PoolDemand, PoolMember

WORKERS_AVAILABLE = "WorkersAvailable"

READY = "WorkersReady"
STARTING = "WorkersStarting"
NONE_WANTED = "NoneWanted"
"""Reasons of the condition where nothing is wrong; the others are those of tasks."""


@dataclass(frozen=True, slots=True)
class PoolCounts:
    """Workers by what they do. One that runs a task for which it was made counts as ready, busy and wanted."""

    ready: int = 0
    busy: int = 0
    starting: int = 0
    wanted: int = 0
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class PoolReport:
    """The workers of a template at one moment, and what keeps some of them from being ready."""

    counts: PoolCounts
    cause: Diagnosis | None = None


def counts_of(members: Sequence[PoolMember], demand: PoolDemand, wanted: int) -> PoolCounts:
    """`wanted` is that of the plan: without the workers that the Jobs of tasks have taken over."""
    there = [member for member in members if not member.leaving]
    given = demand.given_away
    return PoolCounts(
        ready=given + sum(member.pod.ready for member in there),
        busy=given + sum(bool(member.tasks) and not member.pod.ended for member in members),
        starting=sum(not member.pod.ready for member in there),
        wanted=given + wanted,
        waiting=demand.waiting,
    )


def pool_status(before: JsonObject, report: PoolReport, generation: int | None, now: datetime) -> JsonObject:
    """The status fields of a template whose status is `before`."""
    counts = report.counts
    status: JsonObject = {
        "readyWorkers": counts.ready,
        "busyWorkers": counts.busy,
        "startingWorkers": counts.starting,
        "wantedWorkers": counts.wanted,
        "waitingTasks": counts.waiting,
        "conditions": [_dated(available(report), before, generation, now)],
    }
    return status if generation is None else {**status, "observedGeneration": generation}


def available(report: PoolReport) -> Condition:
    """Whether a call finds a worker, or needs none so far; with what keeps workers away where something does."""
    counts, cause = report.counts, report.cause
    status: Literal["True", "False"] = "True" if counts.ready or not (counts.wanted or cause) else "False"
    if cause is not None:
        some = f"{counts.ready} of {counts.wanted} workers are ready: " if counts.ready else ""
        return _condition(status, cause.reason.value, f"{some}{cause.message}")
    if counts.ready:
        return _condition(status, READY, f"{counts.ready} of {counts.wanted} workers are ready")
    if counts.wanted:
        return _condition(status, STARTING, f"the first of {counts.wanted} workers is on its way")
    return _condition(status, NONE_WANTED, "no worker is wanted: the next call has one made")


def _condition(status: Literal["True", "False"], reason: str, message: str) -> Condition:
    shown = without_middle(message, MAX_CONDITION_MESSAGE)
    return Condition(type=WORKERS_AVAILABLE, status=status, reason=reason, message=shown)


def _dated(condition: Condition, before: JsonObject, generation: int | None, now: datetime) -> JsonObject:
    known = _known(before)
    since = known.get("lastTransitionTime") if known.get("status") == condition.status else None
    dated = {**condition.dump(), "lastTransitionTime": since or timestamp(now)}
    return dated if generation is None else {**dated, "observedGeneration": generation}


def _known(status: JsonObject) -> JsonObject:
    found = (each for each in status.get("conditions") or () if each.get("type") == WORKERS_AVAILABLE)
    return next(found, {})


def is_news(before: JsonObject, after: JsonObject) -> bool:
    """Whether the condition says something else, which nobody should have to wait for."""
    one, other = _known(before), _known(after)
    return (one.get("status"), one.get("reason")) != (other.get("status"), other.get("reason"))
