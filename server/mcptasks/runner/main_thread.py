"""Running a component in the process's main thread, as a program of its own would.

A synchronous tool may install signal handlers, start processes, use libraries that insist on the main thread, and can
be ended by a signal: so its function runs there, while everything that is asynchronous runs on a loop beside it.
"""

from __future__ import annotations

import _thread
import asyncio
import contextvars
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any, TypeVar

from mcptasks.authoring.call_thread import CallSync, call_here
from mcptasks.gateway.contract import Outcome
from mcptasks.runner.execution import ComponentExecution
from mcptasks.runner.loop_thread import LoopJob, LoopThread
from mcptasks.runner.signals import Termination, TerminationRequested, terminate

T = TypeVar("T")

CLEAN_UP_SECONDS = 5.0
"""How long tasks that an asynchronous tool has left behind may take to end once they are cancelled."""


BLOCKED_SECONDS = 1.0
"""How long a coroutine may block its loop after the process was asked to end, before an exception ends it."""


class CallEndedError(BaseException):
    """The function ended by something that is not an `Exception`, such as SystemExit, and with it the process will.

    It stands for that on the loop, which SystemExit itself would stop.
    """


@dataclass(eq=False)
class _Call:
    fn: Callable[[], Any]
    loop: asyncio.AbstractEventLoop
    answer: asyncio.Future[Any]
    closing: bool
    context: contextvars.Context = field(default_factory=contextvars.copy_context)

    def settle(self, value: Any, error: BaseException | None) -> None:
        self.loop.call_soon_threadsafe(self._settle, value, error)

    def _settle(self, value: Any, error: BaseException | None) -> None:
        if self.answer.done():
            return
        if error is None:
            self.answer.set_result(value)
        else:
            self.answer.set_exception(error)


class MainThreadCalls:
    """Functions that coroutines of another thread's loop want called in the main thread.

    `ending` is the BaseException by which one of them, or a signal, has asked the process to end.
    """

    def __init__(self) -> None:
        self.ending: BaseException | None = None
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._calling = False
        self._job: LoopJob[Any] | None = None

    async def call(self, fn: Callable[[], T], *, closing: bool = False) -> T:
        """Call the function in the main thread, in the caller's context, and give what it returns or raises.

        One that is `closing` something is called even when the process has been asked to end.
        """
        loop = asyncio.get_running_loop()
        call = _Call(fn, loop, loop.create_future(), closing)
        self._calls.put(call)
        answer: T = await call.answer
        return answer

    def serve(self, job: LoopJob[Any]) -> None:
        """In the main thread: make the calls until the job is done. Never raises; see `ending`."""
        self._job = job
        job.future.add_done_callback(lambda _: self._calls.put(None))
        if self.ending is not None:
            job.cancel()
        while not job.future.done():
            call = self._calls.get()
            if call is not None and not call.answer.cancelled():
                self._make(call)

    def interrupt(self) -> None:
        """From a signal handler: end the function that is being called, or else the job."""
        if self._calling:
            raise TerminationRequested
        self.ending = self.ending or TerminationRequested()
        if self._job is not None:
            self._job.cancel()

    def _make(self, call: _Call) -> None:
        try:
            value = self._called(call)
        except (StopIteration, asyncio.CancelledError) as odd:
            # On the loop they would mean something else: the end of a coroutine, and a cancellation.
            error = RuntimeError(f"the function raised {type(odd).__name__}")
            error.__cause__ = odd
            call.settle(None, error)
        except Exception as error:  # noqa: BLE001 (it goes to the caller)
            call.settle(None, error)
        except BaseException as ending:  # noqa: BLE001 (it goes to the caller, and ends the process later)
            self.ending = self.ending or ending
            call.settle(None, CallEndedError(f"ended by {type(ending).__name__}"))
        else:
            call.settle(value, None)

    def _called(self, call: _Call) -> Any:
        self._calling = True
        try:
            # A signal that came just before found no call to end.
            if self.ending is not None and not call.closing:
                terminate()
            return call.context.run(call.fn)
        finally:
            self._calling = False


def run_component(execution: ComponentExecution, loop_thread: LoopThread, termination: Termination) -> Outcome:
    """Run a component: a synchronous function here, with a loop beside it, all else on a loop that is here.

    Raises the BaseException that has asked the process to end.
    """
    if not execution.is_synchronous:
        return run_here(execution.run(call_here), termination)

    def start(call_sync: CallSync) -> LoopJob[Outcome]:
        return loop_thread.submit(execution.run(call_sync))

    return run_beside(start, termination)


def run_beside(start: Callable[[CallSync], LoopJob[T]], termination: Termination) -> T:
    """Run a job on the loop beside the main thread; the functions that it wants called are called here.

    `start` starts the job; it gets the function through which the job's coroutine calls functions here.

    Raises whatever the job raises, and, once it has ended, the BaseException that has asked the process to end.
    """
    calls = MainThreadCalls()
    with termination.reacting(calls.interrupt):
        job = start(calls.call)
        calls.serve(job)
    if calls.ending is not None:
        raise calls.ending
    return job.future.result()


def run_here(work: Coroutine[Any, Any, T], termination: Termination) -> T:
    """Run the coroutine on a loop in the main thread.

    Raises whatever it raises; TerminationRequested where a signal has cancelled it.
    """
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    task = loop.create_task(work)
    cancellation = _Cancellation(loop, task, termination)
    try:
        with cancellation.armed():
            return loop.run_until_complete(task)
    except (asyncio.CancelledError, BaseExceptionGroup):
        if termination.requested:
            terminate()
        raise
    finally:
        if task.done() and not task.cancelled():
            task.exception()  # Asyncio logs what nobody has asked for, and SystemExit leaves by another way.
        _close(loop)


@dataclass(eq=False)
class _Cancellation:
    """Cancels a task of the main thread's loop when the process is asked to end.

    A coroutine that blocks, by `time.sleep` for example, keeps the loop from doing so. After a while it is ended by an
    exception, as a synchronous function would be: its `finally` blocks run, and the grace period is not used up.
    """

    loop: asyncio.AbstractEventLoop
    task: asyncio.Task[Any]
    termination: Termination
    settled: bool = False

    @contextmanager
    def armed(self) -> Iterator[None]:
        """React to the request to end for the length of the context."""
        try:
            with self.termination.reacting(self._begin):
                yield
        finally:
            self.settled = True

    def _begin(self) -> None:
        self.loop.call_soon_threadsafe(self._cancel)
        # Not `threading`: the interrupted code may hold its lock.
        _thread.start_new_thread(self._insist, ())

    def _cancel(self) -> None:
        self.settled = True
        self.task.cancel()

    def _insist(self) -> None:
        time.sleep(BLOCKED_SECONDS)
        if not self.settled:
            self.termination.insist(self._end_what_blocks)

    def _end_what_blocks(self) -> None:
        if not self.settled:
            terminate()


def _close(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel what the component has left on the loop. Threads of its executor are not waited for."""
    try:
        rest = asyncio.all_tasks(loop)
        for task in rest:
            task.cancel()
        if rest:
            loop.run_until_complete(asyncio.wait(rest, timeout=CLEAN_UP_SECONDS))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        asyncio.set_event_loop(None)
        loop.close()
