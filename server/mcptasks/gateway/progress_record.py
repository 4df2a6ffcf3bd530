"""Progress as a task's status shows it: pure."""

from __future__ import annotations

import math
from datetime import datetime

from mcptasks.gateway.contract import ProgressReport, RefusalCode
from mcptasks.gateway.refusals import RefusedError
from mcptasks.model.base import JsonObject
from mcptasks.model.excerpts import without_middle
from mcptasks.model.lifecycle import timestamp
from mcptasks.model.progress_text import progress_text
from mcptasks.model.task import MAX_PROGRESS_MESSAGE, McpTask, Phase, TaskProgress


def refuse_non_finite(report: ProgressReport) -> None:
    """Raises RefusedError for numbers that JSON does not have."""
    if not math.isfinite(report.current) or not (report.total is None or math.isfinite(report.total)):
        raise RefusedError(RefusalCode.INVALID, "progress must be finite numbers")


def progress_of(report: ProgressReport) -> TaskProgress:
    """The report as the status shows it."""
    message = None if report.message is None else without_middle(report.message, MAX_PROGRESS_MESSAGE)
    shown = progress_text(report.current, report.total)
    return TaskProgress(current=report.current, total=report.total, message=message, display=shown)


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
