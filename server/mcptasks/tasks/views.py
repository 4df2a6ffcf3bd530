"""What a caller may see of a task, and how that follows from the McpTask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from mcptasks.model.lifecycle import Retention, created_at, reported_ttl_ms, utc_now
from mcptasks.model.questions import outstanding
from mcptasks.model.task import Component, InputRequest, McpTask, Phase, Request, ResultRecord, TaskError
from mcptasks.settings import Settings


@dataclass(frozen=True)
class TaskView:
    """A task as its caller may see it. Times are UTC, durations milliseconds."""

    task_id: str
    uid: str
    phase: Phase
    component: Component
    created_at: datetime
    last_updated_at: datetime
    ttl_ms: int
    poll_interval_ms: int
    reason: str | None
    message: str | None
    progress: float | None
    progress_total: float | None
    progress_message: str | None
    result: ResultRecord | None
    error: TaskError | None
    input_requests: tuple[InputRequest, ...]
    request: Request

    @property
    def is_tool_error(self) -> bool:
        """Whether the task failed by a tool's own error, which is a result all the same."""
        return self.phase is Phase.FAILED and self.result is not None

    @property
    def visible_state(self) -> tuple[object, ...]:
        """What of it changes while it runs. Two views with the same state look the same to their caller."""
        return self.phase, self.message, self.progress, self.progress_total, self.input_requests


@dataclass(frozen=True)
class TaskViews:
    """Makes the views, with what the settings say where a task says nothing."""

    settings: Settings
    now: Callable[[], datetime] = utc_now

    @property
    def retention(self) -> Retention:
        """How long tasks can be read where their spec says nothing."""
        return Retention(self.settings.default_ttl_seconds * 1000, self.settings.result_floor_seconds)

    def of(self, task: McpTask) -> TaskView:
        """What the task's caller may see of it now."""
        status = task.status
        created = created_at(task)
        poll_default = round(self.settings.default_poll_interval_seconds * 1000)
        return TaskView(
            task_id=task.name,
            uid=task.uid,
            phase=task.phase,
            component=task.spec.component,
            created_at=created,
            last_updated_at=status.last_updated_at or created,
            ttl_ms=reported_ttl_ms(task, self.now(), self.retention),
            poll_interval_ms=task.spec.poll_interval_ms or poll_default,
            reason=status.reason,
            message=_message(task, shows_log=self.settings.show_log_lines),
            progress=status.progress.current if status.progress else None,
            progress_total=status.progress.total if status.progress else None,
            progress_message=status.progress.message if status.progress else None,
            result=status.result,
            error=status.error,
            input_requests=outstanding(task),
            request=task.spec.request or Request(),
        )


def _message(task: McpTask, *, shows_log: bool) -> str | None:
    status = task.status
    if task.phase is Phase.WORKING and status.progress is not None and status.progress.message:
        return status.progress.message
    if shows_log and status.log_tail:
        return f"{status.message or ''}\nLast log lines:\n{status.log_tail}".lstrip()
    return status.message
