"""What a task's object says of the worker that has it: pure, on objects as the watch cache keeps them."""

from __future__ import annotations

from enum import Enum, auto

from mcptasks.model.base import JsonObject
from mcptasks.model.lifecycle import PODS_TERMINATED
from mcptasks.model.restored import is_restored_object
from mcptasks.model.task_template import Executor
from mcptasks.tasks.cached_tasks import has_ended


class Holding(Enum):
    """How an attempt that a worker holds stands."""

    RUNS = auto()
    """It goes on, or what is known is older than its claim."""

    OVER = auto()
    """The task has ended, and the worker's processes may not have."""

    DONE = auto()
    """The task has ended, and nothing of the attempt is left."""

    LOST = auto()
    """The task goes on without it."""


def claim_of(item: JsonObject) -> tuple[str, int] | None:
    """The uid of the worker's Pod that has the task, and the attempt; None where no worker has it."""
    status = item.get("status") or {}
    if status.get("executor") != Executor.WARM or not status.get("podUid"):
        return None
    return str(status["podUid"]), int(status.get("attempts") or 1)


def is_over(item: JsonObject) -> bool:
    """Whether the task has ended or is being deleted."""
    return has_ended(item) or item["metadata"].get("deletionTimestamp") is not None


def is_unaccounted(item: JsonObject) -> bool:
    """Whether the task has ended, and its worker has not said yet that nothing of it is left."""
    return has_ended(item) and not _is_terminated(item.get("status") or {})


def may_be_claimed(item: JsonObject) -> bool:
    """Whether the task waits to be run: it has not ended, nobody has it or wants to end it, no limit keeps it.

    One that has been restored from a copy without its status may have run before.
    """
    spec, status = item["spec"], item.get("status") or {}
    limited = spec.get("maxConcurrent") or spec.get("maxRunningPerCaller")
    admitted = not limited or status.get("admittedAt")
    wanted = not is_over(item) and not spec.get("cancel")
    return bool(not status.get("podUid") and wanted and admitted and not is_restored_object(item))


def holding(item: JsonObject, pod_uid: str, attempt: int) -> Holding:
    """How the attempt stands that the worker of this Pod holds."""
    status = item.get("status") or {}
    known = int(status.get("attempts") or 0)
    if known < attempt:
        return Holding.RUNS
    if known > attempt or status.get("podUid") != pod_uid:
        return Holding.DONE if has_ended(item) and _is_terminated(status) else Holding.LOST
    if not is_over(item):
        return Holding.RUNS
    return Holding.DONE if _is_terminated(status) else Holding.OVER


def ending_message(item: JsonObject) -> str:
    """Why a worker is to end an attempt of the task."""
    status = item.get("status") or {}
    if has_ended(item):
        return f"the task has ended: {status['phase']} ({status.get('reason') or 'no reason'})"
    return "the task is being deleted"


def _is_terminated(status: JsonObject) -> bool:
    conditions = status.get("conditions") or ()
    return any(c.get("type") == PODS_TERMINATED and c.get("status") == "True" for c in conditions)
