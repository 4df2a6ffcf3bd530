"""One observer of a task for everybody who waits for it or has a callback for its changes."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from mcptasks.client.client_errors import ClientError
from mcptasks.client.protocol.dialect import OnState
from mcptasks.client.task_state import CallProgress, ProgressCallback, TaskState, report_progress

logger = logging.getLogger(__name__)

StatusCallback: TypeAlias = Callable[[TaskState], Awaitable[None] | None]
Follow: TypeAlias = Callable[[TaskState | None, OnState], Awaitable[TaskState]]

DELIVERY_SECONDS = 5.0
"""How long a closing client waits for callbacks that still have something to be told."""


@dataclass(eq=False)
class Observer:
    """Follows a task while somebody waits for it or has a callback for its changes; keeps what it saw last.

    Args:
        follow: stays with the task until it has ended.
        latest: the task as it was last seen.
    """

    follow: Follow
    latest: TaskState | None = None
    _waiting: int = 0
    _callbacks: list[StatusCallback] = field(default_factory=list)
    _progress_callbacks: list[ProgressCallback] = field(default_factory=list)
    _run_task: asyncio.Task[TaskState] | None = None
    _delivery: asyncio.Task[None] | None = None
    _undelivered: asyncio.Queue[tuple[StatusCallback, TaskState]] = field(default_factory=asyncio.Queue)
    _reported: CallProgress | None = None
    _closed: bool = False
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, enough: Callable[[TaskState], bool]) -> TaskState:
        """The first state from now on that is enough. Raises the error that ends the observation."""
        self._waiting += 1
        try:
            while self.latest is None or not enough(self.latest):
                changed = self._changed
                running = self.start()
                await changed.wait()
                if running.done():
                    self._raise_failure(running)
            return self.latest
        finally:
            self._waiting -= 1
            self._stop_if_unobserved()

    def start(self) -> asyncio.Task[TaskState]:
        """Follow the task, unless it is being followed already."""
        if self._run_task is None or self._run_task.done():
            self._closed = False
            self._run_task = asyncio.create_task(self._run())
            self._run_task.add_done_callback(self._ended)
        return self._run_task

    def on_change(self, callback: StatusCallback) -> Callable[[], None]:
        """Call back at each change from now on; returns a function that ends that."""
        self._callbacks.append(callback)
        if self.latest is None or not self.latest.status.terminal:
            self.start()

        def remove() -> None:
            if callback in self._callbacks:
                self._callbacks.remove(callback)
            self._stop_if_unobserved()

        return remove

    def on_progress(self, callback: ProgressCallback) -> None:
        """Report progress while the task is followed."""
        self._progress_callbacks.append(callback)

    async def see(self, state: TaskState) -> None:
        """Take in a state, whoever asked for it. A task that has ended stays as it is."""
        before = self.latest
        if before is not None and before.status.terminal:
            return
        self.latest = state
        if before is None or state.visible != before.visible:
            for callback in self._callbacks:
                self._undelivered.put_nowait((callback, state))
            if self._callbacks and (self._delivery is None or self._delivery.done()):
                self._delivery = asyncio.create_task(self._deliver())
        if not state.status.terminal:
            await self._report(state.progress)
        self._wake()

    async def close(self) -> None:
        """Stop following; callbacks are told what was seen already."""
        self._closed = True
        if self._run_task is not None:
            self._run_task.cancel()
            await asyncio.gather(self._run_task, return_exceptions=True)
        if self._delivery is not None and self._delivery is not asyncio.current_task():
            await asyncio.wait({self._delivery}, timeout=DELIVERY_SECONDS)
            self._delivery.cancel()

    async def _run(self) -> TaskState:
        ended = await self.follow(self.latest, self.see)
        self.latest = ended
        return ended

    async def _report(self, progress: CallProgress | None) -> None:
        if progress is None or progress == self._reported:
            return
        self._reported = progress
        for callback in self._progress_callbacks:
            await report_progress(callback, progress)

    async def _deliver(self) -> None:
        """Call the callbacks, in order, while the task is followed: they may themselves wait for the task."""
        while not self._undelivered.empty():
            callback, state = self._undelivered.get_nowait()
            try:
                outcome = callback(state)
                if inspect.isawaitable(outcome):
                    await outcome
            except Exception:
                logger.exception("a callback for changes of task %s failed", state.task_id)

    def _ended(self, running: asyncio.Task[TaskState]) -> None:
        if not running.cancelled() and (error := running.exception()) is not None and not self._waiting:
            logger.warning("task is not followed any more: %s", error)
        self._wake()

    def _raise_failure(self, running: asyncio.Task[TaskState]) -> None:
        if not running.cancelled():
            running.result()
        elif self._closed:
            raise ClientError("the client was closed while somebody waited for the task, which runs on")

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def _stop_if_unobserved(self) -> None:
        if self._run_task is not None and not self._waiting and not self._callbacks:
            self._run_task.cancel()
