"""Handles of calls that run as tasks."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Generic, Literal, Protocol, TypeAlias, TypeVar

from mcptasks.client.call_results import PromptResult, ResourceResult, ToolResult
from mcptasks.client.client_errors import ClientError, ConnectionFailedError, InputRequiredError
from mcptasks.client.protocol.dialect import Dialect
from mcptasks.client.protocol.retry import retry
from mcptasks.client.task_observer import Observer, StatusCallback
from mcptasks.client.task_state import TaskState
from mcptasks.model.base import JsonObject
from mcptasks.model.task import Phase

R = TypeVar("R")
State: TypeAlias = Phase | Literal["working", "input_required", "completed", "failed", "cancelled"]


class OwningClient(Protocol):
    """What a handle needs of the client that made it."""

    @property
    def dialect(self) -> Dialect:
        """What speaks the agreed protocol version. Raises ClientError where the client is not open."""

    @property
    def can_answer(self) -> bool:
        """Whether somebody answers what servers ask the user."""

    def keep_following(self, observer: Observer) -> None:
        """Follow a task until it ends or the client is closed, though nobody waits for it."""


class Task(ABC, Generic[R]):
    """A call that runs as a task; `await task` gives its result.

    `returned_immediately` is true where the server answered the call at once instead of making a task of it; then
    `task_id` is empty and the result is there already.
    """

    kind: ClassVar[str]
    """What was called, for error messages."""

    def __init__(
        self, client: OwningClient, task_id: str, observer: Observer | None = None, result: R | None = None
    ) -> None:
        self.client = client
        self.task_id = task_id
        self._observer = observer
        self._result = result
        self._fetching = asyncio.Lock()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.task_id or 'returned immediately'}>"

    def __await__(self) -> Generator[Any, None, R]:
        return self.result().__await__()

    @classmethod
    @abstractmethod
    def parse(cls, raw: JsonObject) -> R:
        """The result, from what the server sent. Raises ClientError for the result of another kind of call."""

    @property
    def returned_immediately(self) -> bool:
        return self._observer is None

    @property
    def observer(self) -> Observer:
        """Knows what has become of the task. Raises ClientError where there is no task."""
        if self._observer is None:
            raise ClientError("the server answered this call at once: there is no task to ask about")
        return self._observer

    async def status(self) -> TaskState:
        """The task as the server has it now. Raises McpError for a task that is gone."""
        observer = self.observer
        with self._resumable():
            state = await self.client.dialect.get_task(self.task_id)
        await observer.see(state)
        if state.status is Phase.INPUT_REQUIRED and self.client.can_answer:
            # Somebody who only polls is to be asked as well.
            self.client.keep_following(observer)
        return state

    async def wait(self, state: State | None = None, timeout: float | None = None) -> TaskState:
        """Wait until the task is in a state, or has ended.

        A server that cannot be reached for a while is asked again, for up to a minute.

        Args:
            state: the state to wait for; None waits for the end. The end of the task ends the wait in any case, and a
                state that lasts only a moment may pass unseen.
            timeout: seconds to wait; None waits for ever.

        Raises:
            TimeoutError: the state did not come in time. The task runs on.
            McpError: the task is unknown or has expired.
            ConnectionFailedError: the server cannot be reached any more; it has the task's id, to resume it with.
        """
        wanted = None if state is None else Phase(state)
        with self._resumable():
            async with asyncio.timeout(timeout):
                return await self.observer.until(lambda now: now.status.terminal or now.status is wanted)

    async def result(self, timeout: float | None = None) -> R:
        """Wait for the end, then the result; the same object at every call.

        Raises:
            TaskCancelledError: the task was cancelled.
            InputRequiredError: the task asks something and the client has no `on_elicitation`.
            McpError: the call ended with an error: the tool's own, or why it could not be run.
            TimeoutError: the task has not ended in time. It runs on.
            ConnectionFailedError: the server cannot be reached any more; it has the task's id, to resume it with.
        """
        if self._result is None:
            async with asyncio.timeout(timeout), self._fetching:
                if self._result is None:
                    with self._resumable():
                        self._result = self.parse(await self._fetch())
        return self._result

    async def cancel(self) -> None:
        """Cancel the task. Raises McpError where it has ended already and the protocol version tells so."""
        if not self.returned_immediately:
            await self.client.dialect.cancel_task(self.task_id)

    def on_status_change(self, callback: StatusCallback) -> Callable[[], None]:
        """Call back whenever status, message or progress change, from now until the task has ended.

        The callback may be a coroutine function, and may wait for the task itself. An exception in it is logged and
        otherwise ignored. There may be several callbacks. The client has to stay open.

        Returns:
            A function that removes the callback.
        """
        return self.observer.on_change(callback)

    @contextmanager
    def _resumable(self) -> Iterator[None]:
        """Errors of the connection tell that the call has arrived, whatever became of the last request about it."""
        try:
            yield
        except ConnectionFailedError as error:
            raise ConnectionFailedError(
                f"{error}; the call was sent and is task {self.task_id}, which can be resumed by that id", self.task_id
            ) from error

    async def _fetch(self) -> JsonObject:
        can_answer = self.client.can_answer
        dialect = self.client.dialect
        state = await self.observer.until(
            lambda now: now.status.terminal or (now.status is Phase.INPUT_REQUIRED and not can_answer)
        )
        if not state.status.terminal:
            raise InputRequiredError(f"task {self.task_id}", state.input_requests)
        return await retry(
            lambda: dialect.task_result(state), transient=lambda error: isinstance(error, ConnectionFailedError)
        )


def _of_kind(raw: JsonObject, field: str, kind: str) -> JsonObject:
    if field in raw:
        return raw
    other = next((task.__name__ for key, task in _BY_FIELD.items() if key in raw), None)
    hint = f"; resume it as {other}" if other else ""
    raise ClientError(f"the task's result is not that of a {kind}{hint}")


class ToolTask(Task[ToolResult]):
    """A tool call that runs as a task."""

    kind = "tool"
    raise_on_error = False
    """Whether the tool's own error is raised as ToolError."""

    @classmethod
    def parse(cls, raw: JsonObject) -> ToolResult:
        return ToolResult(_of_kind(raw, "content", cls.kind))

    async def result(self, timeout: float | None = None) -> ToolResult:
        result = await super().result(timeout)
        return result.or_raise() if self.raise_on_error else result


class PromptTask(Task[PromptResult]):
    """A prompt that is rendered as a task."""

    kind = "prompt"

    @classmethod
    def parse(cls, raw: JsonObject) -> PromptResult:
        return PromptResult(_of_kind(raw, "messages", cls.kind))


class ResourceTask(Task[ResourceResult]):
    """A resource that is read as a task."""

    kind = "resource"

    @classmethod
    def parse(cls, raw: JsonObject) -> ResourceResult:
        return ResourceResult(_of_kind(raw, "contents", cls.kind))


_BY_FIELD: dict[str, type[Task[Any]]] = {"content": ToolTask, "messages": PromptTask, "contents": ResourceTask}
