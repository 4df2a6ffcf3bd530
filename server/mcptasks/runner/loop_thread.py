"""An asyncio loop in a thread of its own, for what must go on while the main thread is busy with a tool."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import Future
from threading import Thread
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

T = TypeVar("T")

JOIN_SECONDS = 2.0
"""How long the thread is waited for; what blocks it ends with the process."""


class LoopJob(Generic[T]):
    """A coroutine that runs on the loop. `future` is done when the coroutine has ended, its clean-up included."""

    def __init__(self, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T]) -> None:
        self.future: Future[T] = Future()
        self._loop = loop
        self._work = work
        self._task: asyncio.Task[T] | None = None

    def start(self) -> None:
        """On the loop's thread."""
        self._task = self._loop.create_task(self._work)
        self._task.add_done_callback(self._settle)

    def cancel(self) -> None:
        """From any thread: cancel the coroutine, as soon as it has started."""
        self._loop.call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _settle(self, task: asyncio.Task[T]) -> None:
        if task.cancelled():
            self.future.set_exception(asyncio.CancelledError())
        elif (error := task.exception()) is not None:
            self.future.set_exception(error)
        else:
            self.future.set_result(task.result())


class LoopThread:
    """Runs coroutines beside the main thread. Use as a context manager; the process does not wait for the thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._stopping = False
        self._thread = Thread(target=self._run, name="mcptasks-loop", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping = True
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(JOIN_SECONDS)
        if not self._thread.is_alive():
            self._loop.close()

    def submit(self, work: Coroutine[Any, Any, T]) -> LoopJob[T]:
        """Start the coroutine, in the caller's context."""
        job = LoopJob(self._loop, work)
        self._loop.call_soon_threadsafe(job.start)
        return job

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run the coroutine and wait for it. Signals are handled meanwhile."""
        job = self.submit(work)
        try:
            return job.future.result()
        except BaseException:
            job.cancel()
            raise

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        while not self._stopping:
            try:
                self._loop.run_forever()
            except (SystemExit, KeyboardInterrupt):
                # asyncio stops the loop for these; the job that raised one has it as its exception.
                continue
        _cancel_all(self._loop)


def _cancel_all(loop: asyncio.AbstractEventLoop, seconds: float = 1.0) -> None:
    """Cancel what still runs on the loop, and give it a moment to end."""
    rest = asyncio.all_tasks(loop)
    for task in rest:
        task.cancel()
    if rest:
        loop.run_until_complete(asyncio.wait(rest, timeout=seconds))
    loop.run_until_complete(loop.shutdown_asyncgens())
