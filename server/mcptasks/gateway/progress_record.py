"""Progress as a task's status shows it: pure."""

from __future__ import annotations

import math
from datetime import datetime

from mcptasks.gateway.contract import ProgressReport, RefusalCode
from mcptasks.gateway.refusals import RefusedError
from mcptasks.model.base import JsonObject
from mcptasks.model.lifecycle import timestamp
from mcptasks.model.task import MAX_PROGRESS_MESSAGE, McpTask, Phase, TaskProgress

EXACT_INTEGERS = 1e15


def refuse_non_finite(report: ProgressReport) -> None:
    """Raises RefusedError for numbers that JSON does not have."""
    if not math.isfinite(report.current) or not (report.total is None or math.isfinite(report.total)):
        raise RefusedError(RefusalCode.INVALID, "progress must be finite numbers")


def progress_of(report: ProgressReport) -> TaskProgress:
    """The report as the status shows it."""
    message = None if report.message is None else report.message[:MAX_PROGRESS_MESSAGE]
    return TaskProgress(current=report.current, total=report.total, message=message, display=display(report))


def display(report: ProgressReport) -> str:
    """Progress for people: `45% (9/20)`, or `9` where the total is unknown."""
    if report.total is None:
        return _number(report.current)
    of_total = f"{_number(report.current)}/{_number(report.total)}"
    share = report.current / report.total * 100 if report.total > 0 else math.inf
    return f"{math.floor(share)}% ({of_total})" if abs(share) < EXACT_INTEGERS else of_total


def _number(value: float) -> str:
    if abs(value) >= EXACT_INTEGERS or 0 < abs(value) < 0.01:
        return f"{value:.3g}"
    return f"{value:.2f}".rstrip("0").rstrip(".")


def progress_patch(task: McpTask, report: ProgressReport, now: datetime) -> JsonObject | None:
    """The status patch for a report; None where it would change nothing that anyone can see."""
    progress = progress_of(report)
    if task.status.progress == progress:
        return None
    status: JsonObject = {
        "progress": progress.model_dump(mode="json", by_alias=True),
        "lastUpdatedAt": timestamp(now),
    }
    if task.phase is Phase.WORKING:
        status["message"] = progress.message or progress.display
    return {"status": status}
