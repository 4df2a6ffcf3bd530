"""Follows a task until it ends: what the server tells by itself makes polling rare, never unnecessary.

Both protocol versions leave notifications to the server and ask clients not to depend on them. So polling decides;
a stream that has shown that it tells of changes only makes the polls rarer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field, replace

from mcptasks.client.client_errors import ClientError
from mcptasks.client.protocol.dialect import OnState
from mcptasks.client.protocol.retry import backoff_pauses, is_transient, retry
from mcptasks.client.task_state import CallProgress, TaskState

logger = logging.getLogger(__name__)

TOLD_POLL_SECONDS = 15.0
"""Pause between two polls while the server tells of changes by itself."""


@dataclass(eq=False)
class Hints:
    """What arrives about a task without having been asked for.

    `telling` is set where the server has shown that it tells of this task's changes.
    """

    telling: bool = False
    result: dict[str, object] | None = None
    """The result, where the stream has ended with it."""

    failure: BaseException | None = None
    """The error that ends the following, even where the task has ended meanwhile."""

    _arrived: asyncio.Queue[TaskState | CallProgress | None] = field(default_factory=asyncio.Queue)

    def tell(self, state: TaskState) -> None:
        """A state that the server has sent."""
        self.telling = True
        self._arrived.put_nowait(state)

    def progress(self, progress: CallProgress) -> None:
        """Progress alone."""
        self._arrived.put_nowait(progress)

    def wake(self) -> None:
        """Something may have changed: ask the server."""
        self._arrived.put_nowait(None)

    def fail(self, error: BaseException) -> None:
        """Stop following, with this error."""
        self.failure = error
        self.wake()

    def fall_silent(self) -> None:
        """The stream has ended."""
        if self.telling:
            self.telling = False
            self.wake()

    async def next(self, seconds: float) -> TaskState | CallProgress | None:
        """The next thing told; None when it is time to ask."""
        try:
            async with asyncio.timeout(seconds):
                return await self._arrived.get()
        except TimeoutError:
            return None


Listen = Callable[[Hints], Awaitable[bool]]
"""Reads a stream into the hints until it ends; True where it should be opened again."""

RespondToInput = Callable[[TaskState], Awaitable[bool]]
"""Answers what a task asks; True where there was anything new to answer."""


@dataclass(eq=False)
class Follower:
    """Follows one task.

    Args:
        get: asks the server for the task.
        listen: reads what the server tells by itself; None where it is known to tell nothing.
        answer: answers what the task asks; runs beside, and is cancelled when the task ends.
    """

    get: Callable[[], Awaitable[TaskState]]
    listen: Listen | None = None
    answer: RespondToInput | None = None
    hints: Hints = field(default_factory=Hints)
    _answer_task: asyncio.Task[None] | None = None

    async def run(self, known: TaskState | None, on_state: OnState) -> TaskState:
        """The task once it has ended. Raises ClientError where it cannot be read any more."""
        state: TaskState = known if known is not None else await retry(self.get)
        await on_state(state)
        if state.status.terminal:
            return state
        listening = None if self.listen is None else self._start(self._listen(self.listen))
        try:
            while not state.status.terminal:
                self._start_answer_task(state)
                told = await self.hints.next(TOLD_POLL_SECONDS if self.hints.telling else state.poll_seconds)
                merged = self._merged(state, told)
                state = merged if merged is not None else await retry(self.get)
                if self.hints.failure is not None:
                    raise self.hints.failure
                if state.status.terminal and self.hints.result is not None:
                    state = replace(state, result=self.hints.result)
                await on_state(state)
        finally:
            running = [task for task in (listening, self._answer_task) if task is not None]
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        return state

    @staticmethod
    def _merged(state: TaskState, told: TaskState | CallProgress | None) -> TaskState | None:
        """The state after what was told; None where the server has to be asked.

        Numbers belong to the message that they came with: a new message without any does not take over the old ones.
        """
        match told:
            case TaskState(progress=CallProgress(current=None, message=message)) if (
                state.progress is not None and state.progress.message == message
            ):
                return replace(told, progress=state.progress)
            case TaskState(progress=None) if not told.status.terminal:
                return replace(told, progress=state.progress)
            case TaskState():
                return told
            case CallProgress():
                return replace(state, progress=told)
            case None:
                return None

    async def _listen(self, listen: Listen) -> None:
        async for pause in backoff_pauses():
            try:
                again = await listen(self.hints)
            except ClientError as error:
                again = is_transient(error)
                logger.debug("the task's notifications have ended: %s", error)
            self.hints.fall_silent()
            if not again:
                return
            await asyncio.sleep(pause)

    def _start_answer_task(self, state: TaskState) -> None:
        if self.answer is None or not state.input_requests:
            return
        if self._answer_task is None or self._answer_task.done():
            self._answer_task = self._start(self._answer(self.answer, state))

    async def _answer(self, answer: RespondToInput, state: TaskState) -> None:
        if await answer(state):
            self.hints.wake()

    def _start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        return asyncio.create_task(self._guarded(work))

    async def _guarded(self, work: Coroutine[None, None, None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 (goes to whoever waits for the task)
            self.hints.fail(error)
