"""What callers of the task service say and see: calls, views of tasks, errors. No I/O, no wire format."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from mcptasks.model.task import (
    Component,
    InputRequest,
    JsonObject,
    Phase,
    Principal,
    Request,
    ResultRecord,
    TaskError,
    TraceContext,
)
from mcptasks.model.task_config import TaskConfig


class ServiceError(Exception):
    """A call that cannot be served; the message is for the caller, `data` for its program."""

    data: JsonObject | None = None


class TaskNotFoundError(ServiceError):
    """There is no such task, or it is another principal's, or it has expired: the caller cannot tell which."""

    def __init__(self) -> None:
        super().__init__("Task not found: the id is unknown or the task has expired")


class TaskEndedError(ServiceError):
    """The task has ended already."""

    def __init__(self, phase: Phase) -> None:
        super().__init__(f"Cannot cancel task: already in terminal status '{phase.value}'")
        self.phase = phase


class InvalidCallError(ServiceError):
    """The caller's parameters are wrong; the message says which and what is allowed."""


class TooManyTasksError(ServiceError):
    """The caller has as many unfinished tasks as it may have."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"You have {limit} unfinished tasks, the most allowed: wait for one to end, or cancel one")
        self.data = {"reason": "TooManyTasks", "limit": limit}


class TooManyPollsError(ServiceError):
    """The caller asks for a task more often than it may."""

    def __init__(self, poll_interval_ms: int) -> None:
        super().__init__(f"You ask for this task too often: wait {poll_interval_ms} ms between two requests")
        self.data = {"reason": "TooManyPolls", "retryAfterMs": poll_interval_ms}


class TooManySubscriptionsError(ServiceError):
    """The caller has as many subscriptions open as it may have."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"You have {limit} subscriptions open here, the most allowed: end one, or ask for several tasks in one"
        )
        self.data = {"reason": "TooManySubscriptions", "limit": limit}


class UnavailableServiceError(ServiceError):
    """The cluster or the result store cannot be reached at the moment."""


class RefusedError(ServiceError):
    """The cluster does not allow the task: quota, admission policy or RBAC."""


class DrainingError(ServiceError):
    """This replica is shutting down; another one can answer."""

    def __init__(self) -> None:
        super().__init__("This server is shutting down; send the request again")
        # Nothing was begun: clients that know the reason repeat the request by themselves.
        self.data = {"reason": "Draining"}


class InterruptedCallError(ServiceError):
    """This replica is shutting down and has ended a call in the middle."""

    def __init__(self) -> None:
        super().__init__(
            "This server is shutting down and has ended the call before it was over: "
            "send it again if it may run a second time"
        )
        self.data = {"reason": "Interrupted"}


def principal_key(principal: Principal) -> tuple[str, str, str]:
    """The components that make two principals the same."""
    return principal.client_id or "", principal.issuer or "", principal.subject or ""


@dataclass(frozen=True)
class Call:
    """A request to run a component as a task."""

    component: Component
    arguments: JsonObject
    config: TaskConfig = field(default_factory=TaskConfig)
    ttl_ms: int | None = None
    principal: Principal | None = None
    request: Request | None = None
    trace_context: TraceContext | None = None
    idempotency_key: str | None = None
    idempotent_hint: bool = False
    can_ask: bool = False


@dataclass(frozen=True)
class TaskView:
    """A task as its caller may see it. Times are UTC, durations milliseconds."""

    task_id: str
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
    result: ResultRecord | None
    error: TaskError | None
    input_requests: tuple[InputRequest, ...]
    request: Request

    @property
    def is_tool_error(self) -> bool:
        """Whether the task failed by a tool's own error, which is a result all the same."""
        return self.phase is Phase.FAILED and self.result is not None


@dataclass(frozen=True)
class Page:
    """A page of a caller's tasks, newest first."""

    tasks: list[TaskView]
    next_cursor: str | None
