"""What an attempt has used, in its task's status: pure."""

from __future__ import annotations

from mcptasks.gateway.contract import UnstartedOutcome, WorkerOutcome
from mcptasks.model.base import JsonObject
from mcptasks.model.task import McpTask


def usage_field(task: McpTask, outcome: WorkerOutcome) -> JsonObject:
    """The status field with what this attempt and those before it have used; none where this one does not say."""
    if isinstance(outcome, UnstartedOutcome) or outcome.usage is None:
        return {}
    before = task.status.usage
    return {"usage": (outcome.usage if before is None else before.plus(outcome.usage)).dump()}
