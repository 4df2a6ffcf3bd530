"""Why a call about a task cannot be served. Messages are for the caller; protocol/ makes JSON-RPC errors of them.

ServiceError
├── TaskNotFoundError           unknown, foreign or expired: the caller cannot tell which
├── TaskEndedError              too late to cancel
├── NoLogError                  nothing of the task's log is kept, or not yet
├── NoResultError               the task has no result, or not yet
├── InvalidCallError            the parameters are wrong
├── TooManyTasksError           ┐
├── TooMuchKeptError            │
├── TooManyPollsError           ├ a limit of the caller's
├── TooManyUnknownIdsError      │
├── TooManySubscriptionsError   │
├── TooManyWaitingCallsError    ┘ (or of the whole replica's)
├── TooManyAnswersError         as many large results are being sent as may be
├── TaskRefusedError            the cluster does not allow the task
├── UnavailableServiceError     cluster or result store cannot be reached
├── DrainingError               this replica shuts down before anything was begun
└── InterruptedCallError        this replica shuts down in the middle of the call
"""

from __future__ import annotations

import math

from mcptasks.model.base import JsonObject
from mcptasks.model.task import Phase


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


class NoLogError(ServiceError):
    """Nothing is kept of what the task has printed."""

    def __init__(self, *, ended: bool) -> None:
        why = "it has printed nothing, or its log is not kept" if ended else "it is kept once the task has ended"
        super().__init__(f"There is no log of the task: {why}")


class NoResultError(ServiceError):
    """The task has no result.

    Args:
        message: what its status says.
        ended: whether it has ended.
    """

    def __init__(self, message: str | None, *, ended: bool) -> None:
        why = "it has ended without one" if ended else "it is there once the task has ended"
        super().__init__(f"There is no result of the task: {why}" + (f" ({message})" if ended and message else ""))


class InvalidCallError(ServiceError):
    """The caller's parameters are wrong; the message says which and what is allowed."""


class TooManyTasksError(ServiceError):
    """The caller has as many unfinished tasks as it may have."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"You have {limit} unfinished tasks, the most allowed: wait for one to end, or cancel one")
        self.data = {"reason": "TooManyTasks", "limit": limit}


class TooMuchKeptError(ServiceError):
    """The caller's tasks, ended ones included, are as many as they may be, or as large.

    Args:
        what: what its tasks come to, in words.
        limit: the most that is allowed.
        seconds: when the first of them expires, if one has ended.
    """

    def __init__(self, what: str, limit: int, seconds: float | None) -> None:
        first = "" if seconds is None else f" The first expires in {math.ceil(seconds)} s."
        super().__init__(
            f"{what}, ended ones included; the limit is {limit}: wait until some have expired, and give tasks a "
            f"shorter ttl.{first}"
        )
        self.data = {"reason": "TooMuchKept", "limit": limit}
        if seconds is not None:
            self.data["retryAfterMs"] = math.ceil(seconds * 1000)


class TooManyPollsError(ServiceError):
    """The caller asks for a task more often than it may."""

    def __init__(self, poll_interval_ms: int) -> None:
        super().__init__(f"You ask for this task too often: wait {poll_interval_ms} ms between two requests")
        self.data = {"reason": "TooManyPolls", "retryAfterMs": poll_interval_ms}


class TooManyUnknownIdsError(ServiceError):
    """The caller asks for ids that are none of its tasks more often than they are looked up."""

    def __init__(self, per_second: float) -> None:
        super().__init__(
            f"You ask for more ids a second than the {per_second:g} that are looked up where none of your tasks has "
            "them: ask for ids of your tasks, and wait a second"
        )
        self.data = {"reason": "TooManyUnknownIds", "retryAfterMs": 1000}


class TooManySubscriptionsError(ServiceError):
    """The caller has as many subscriptions open as it may have."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"You have {limit} subscriptions open here, the most allowed: end one, or ask for several tasks in one"
        )
        self.data = {"reason": "TooManySubscriptions", "limit": limit}


class TooManyWaitingCallsError(ServiceError):
    """The caller, or all callers together, have as many calls waiting at this replica as they may have."""

    def __init__(self, limit: int, *, of_all: bool) -> None:
        who = "All callers together have" if of_all else "You have"
        super().__init__(
            f"{who} as many calls waiting for tasks here as allowed ({limit}): send this one again when one of them "
            "has ended, or use tasks/get, which does not wait"
        )
        self.data = {"reason": "TooManyWaitingCalls", "limit": limit, "of": "server" if of_all else "caller"}


class TooManyAnswersError(ServiceError):
    """The replica is sending as many large results as it may, or as many of this caller's."""

    def __init__(self, seconds: int) -> None:
        super().__init__(
            f"This server is sending as many large results as it may at once: read those that you have asked for, and "
            f"ask for this one again in {seconds} s"
        )
        self.data = {"reason": "TooManyAnswers", "retryAfterMs": 1000 * seconds}


class UnavailableServiceError(ServiceError):
    """The cluster or the result store cannot be reached at the moment."""


class TaskRefusedError(ServiceError):
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
