"""Staying with a task until it ends: what the server tells by itself makes polling rare, never unnecessary.

Both protocol versions leave notifications to the server and ask clients not to depend on them. So polling is the
truth; a stream that has shown that it tells of changes only stretches the pauses.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field, replace

from mcptasks.client.protocol.dialect import ClientError, Progress, Seen, TaskState
from mcptasks.client.protocol.retry import may_pass, patiently, pauses

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
    """What whoever follows is to end with, though the task may have ended meanwhile."""

    _arrived: asyncio.Queue[TaskState | Progress | None] = field(default_factory=asyncio.Queue)

    def tell(self, state: TaskState) -> None:
        """A state that the server has sent."""
        self.telling = True
        self._arrived.put_nowait(state)

    def progress(self, progress: Progress) -> None:
        """Progress alone."""
        self._arrived.put_nowait(progress)

    def wake(self) -> None:
        """Something may have changed: ask the server."""
        self._arrived.put_nowait(None)

    def fail(self, error: BaseException) -> None:
        """Whoever follows is to end with this."""
        self.failure = error
        self.wake()

    def fall_silent(self) -> None:
        """The stream has ended."""
        if self.telling:
            self.telling = False
            self.wake()

    async def next(self, seconds: float) -> TaskState | Progress | None:
        """The next thing told; None when it is time to ask."""
        try:
            async with asyncio.timeout(seconds):
                return await self._arrived.get()
        except TimeoutError:
            return None


Listen = Callable[[Hints], Awaitable[bool]]
"""Reads a stream into the hints until it ends; whether it is worth opening again."""

Answer = Callable[[TaskState], Awaitable[bool]]
"""Answers what a task asks; whether there was anything new to answer."""


@dataclass(eq=False)
class Following:
    """Follows one task.

    Args:
        get: asks the server for the task.
        listen: reads what the server tells by itself; None where it is known to tell nothing.
        answer: answers what the task asks; runs beside, is cancelled where the task ends meanwhile.
    """

    get: Callable[[], Awaitable[TaskState]]
    listen: Listen | None = None
    answer: Answer | None = None
    hints: Hints = field(default_factory=Hints)
    _answering: asyncio.Task[None] | None = None

    async def run(self, known: TaskState | None, seen: Seen) -> TaskState:
        """The task once it has ended. Raises ClientError where it cannot be read any more."""
        state: TaskState = known if known is not None else await patiently(self.get)
        await seen(state)
        if state.status.terminal:
            return state
        listening = None if self.listen is None else self._start(self._listen(self.listen))
        try:
            while not state.status.terminal:
                self._start_answering(state)
                told = await self.hints.next(TOLD_POLL_SECONDS if self.hints.telling else state.poll_seconds)
                merged = self._merged(state, told)
                state = merged if merged is not None else await patiently(self.get)
                if self.hints.failure is not None:
                    raise self.hints.failure
                if state.status.terminal and self.hints.result is not None:
                    state = replace(state, result=self.hints.result)
                await seen(state)
        finally:
            running = [task for task in (listening, self._answering) if task is not None]
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        return state

    @staticmethod
    def _merged(state: TaskState, told: TaskState | Progress | None) -> TaskState | None:
        """The state after what was told; None where the server has to be asked.

        A message that comes without the numbers does not take them back.
        """
        match told:
            case TaskState(progress=Progress(current=None) as new) if state.progress is not None:
                return replace(told, progress=replace(state.progress, message=new.message))
            case TaskState(progress=None) if not told.status.terminal:
                return replace(told, progress=state.progress)
            case TaskState():
                return told
            case Progress():
                return replace(state, progress=told)
            case None:
                return None

    async def _listen(self, listen: Listen) -> None:
        async for pause in pauses():
            try:
                again = await listen(self.hints)
            except ClientError as error:
                again = may_pass(error)
                logger.debug("the task's notifications have ended: %s", error)
            self.hints.fall_silent()
            if not again:
                return
            await asyncio.sleep(pause)

    def _start_answering(self, state: TaskState) -> None:
        if self.answer is None or not state.input_requests:
            return
        if self._answering is None or self._answering.done():
            self._answering = self._start(self._answer(self.answer, state))

    async def _answer(self, answer: Answer, state: TaskState) -> None:
        if await answer(state):
            self.hints.wake()

    def _start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        return asyncio.create_task(self._guarded(work))

    async def _guarded(self, work: Coroutine[None, None, None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 (goes to whoever waits for the task)
            self.hints.fail(error)
