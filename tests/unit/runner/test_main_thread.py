"""Work in the main thread, the loop beside it, and what signals do to both."""

from __future__ import annotations

import asyncio
import contextvars
import os
import signal
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from typing import Any

import pytest

from mcptasks.authoring.call_thread import CallSync, call_here
from mcptasks.runner.loop_thread import LoopThread
from mcptasks.runner.main_thread import BLOCKED_SECONDS, CallEndedError, run_beside, run_here
from mcptasks.runner.signals import Termination, TerminationRequested, carry_on

Job = Callable[[CallSync], Coroutine[Any, Any, Any]]


@pytest.fixture
def termination() -> Iterator[Termination]:
    with Termination.installed() as termination:
        yield termination


@pytest.fixture
def loop_thread() -> Iterator[LoopThread]:
    with LoopThread() as loop_thread:
        yield loop_thread


@pytest.fixture
def beside(loop_thread: LoopThread, termination: Termination) -> Callable[[Job], Any]:
    return lambda job: run_beside(lambda call: loop_thread.submit(job(call)), termination)


def sigterm() -> None:
    """Send it to this process, and let the interpreter handle it."""
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(30)


class Unusual(BaseException):
    """Something that is not an Exception."""


class TestCallsFromBeside:
    def test_functions_run_in_the_main_thread_and_coroutines_do_not(self, beside: Callable[[Job], Any]) -> None:
        async def job(call: CallSync) -> tuple[Any, Any]:
            return await call(threading.current_thread), threading.current_thread()

        inside, outside = beside(job)
        assert inside is threading.main_thread()
        assert outside is not threading.main_thread()

    def test_functions_see_the_context_of_their_caller(self, beside: Callable[[Job], Any]) -> None:
        variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")

        async def job(call: CallSync) -> Any:
            variable.set("the caller's")
            return await call(variable.get)

        assert beside(job) == "the caller's"
        assert variable.get() == "unset"

    def test_the_loop_goes_on_while_a_function_blocks_the_main_thread(self, beside: Callable[[Job], Any]) -> None:
        async def job(call: CallSync) -> Any:
            released = threading.Event()
            asyncio.get_running_loop().call_later(0.01, released.set)
            return await call(lambda: released.wait(10))

        assert beside(job) is True

    def test_an_exception_goes_to_the_caller(self, beside: Callable[[Job], Any]) -> None:
        async def job(call: CallSync) -> Any:
            try:
                await call(lambda: dict[str, int]()["key"])
            except KeyError as error:
                return str(error)

        assert beside(job) == "'key'"

    def test_stop_iteration_goes_to_the_caller_in_a_form_that_a_coroutine_can_see(
        self, beside: Callable[[Job], Any]
    ) -> None:
        async def job(call: CallSync) -> Any:
            try:
                await call(lambda: next(iter(())))
            except RuntimeError as error:
                return type(error.__cause__)

        assert beside(job) is StopIteration

    @pytest.mark.parametrize("ending", [SystemExit(3), KeyboardInterrupt(), Unusual()])
    def test_what_is_not_an_exception_ends_the_job_and_then_the_process(
        self, beside: Callable[[Job], Any], loop_thread: LoopThread, ending: BaseException
    ) -> None:
        seen: list[str] = []

        def leave() -> None:
            raise ending

        async def job(call: CallSync) -> None:
            try:
                await call(leave)
            except Exception:  # noqa: BLE001
                seen.append("caught as an exception")
            except CallEndedError:
                seen.append("cleaned up")
                raise

        with pytest.raises(type(ending)) as caught:
            beside(job)
        assert caught.value is ending
        assert seen == ["cleaned up"]
        assert loop_thread.run(asyncio.sleep(0, "the loop still runs")) == "the loop still runs"

    def test_what_the_job_raises_is_raised(self, beside: Callable[[Job], Any]) -> None:
        async def job(_: CallSync) -> None:
            raise LookupError("no")

        with pytest.raises(LookupError):
            beside(job)

    @pytest.mark.parametrize("error", [SystemExit(4), KeyboardInterrupt(), asyncio.CancelledError()])
    def test_a_coroutine_that_leaves_does_not_stop_the_loop(
        self, beside: Callable[[Job], Any], loop_thread: LoopThread, error: BaseException
    ) -> None:
        async def job(_: CallSync) -> None:
            raise error

        with pytest.raises(type(error)):
            beside(job)
        assert loop_thread.run(asyncio.sleep(0, 1)) == 1


class TestSignalsBeside:
    def test_a_function_is_ended_and_cleans_up(self, beside: Callable[[Job], Any], termination: Termination) -> None:
        seen: list[str] = []

        def work() -> None:
            try:
                sigterm()
            finally:
                seen.append("function")

        async def job(call: CallSync) -> None:
            try:
                await call(work)
            finally:
                seen.append("job")

        with pytest.raises(TerminationRequested):
            beside(job)
        assert seen == ["function", "job"]
        assert termination.exit_code == 143

    def test_a_job_that_calls_nothing_is_cancelled_and_waited_for(self, beside: Callable[[Job], Any]) -> None:
        seen: list[str] = []

        async def job(_: CallSync) -> None:
            try:
                os.kill(os.getpid(), signal.SIGTERM)
                await asyncio.sleep(30)
            finally:
                await asyncio.sleep(0.05)
                seen.append("job")

        with pytest.raises(TerminationRequested):
            beside(job)
        assert seen == ["job"]

    def test_a_signal_before_the_job_has_begun_ends_it(self, loop_thread: LoopThread, termination: Termination) -> None:
        def start(call: CallSync) -> Any:
            signal.raise_signal(signal.SIGTERM)
            return loop_thread.submit(asyncio.sleep(30))

        with pytest.raises(TerminationRequested):
            run_beside(start, termination)

    def test_after_a_signal_no_function_is_begun(self, beside: Callable[[Job], Any]) -> None:
        begun: list[str] = []

        async def job(call: CallSync) -> None:
            try:
                os.kill(os.getpid(), signal.SIGTERM)
                await asyncio.sleep(30)
            finally:
                await call(lambda: begun.append("function"))

        with pytest.raises(TerminationRequested):
            beside(job)
        assert begun == []

    def test_a_second_signal_does_not_disturb_the_clean_up(self, beside: Callable[[Job], Any]) -> None:
        seen: list[str] = []

        def work() -> None:
            try:
                sigterm()
            finally:
                os.kill(os.getpid(), signal.SIGTERM)
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.05)
                seen.append("cleaned up")

        async def job(call: CallSync) -> None:
            await call(work)

        with pytest.raises(TerminationRequested):
            beside(job)
        assert seen == ["cleaned up"]

    def test_a_function_that_swallows_its_end_returns(
        self, beside: Callable[[Job], Any], termination: Termination
    ) -> None:
        def work() -> str:
            try:
                sigterm()
            except BaseException:  # noqa: BLE001
                return "swallowed"
            return "never"

        async def job(call: CallSync) -> Any:
            return await call(work)

        assert beside(job) == "swallowed"
        assert termination.requested


class TestHere:
    def test_coroutines_run_in_the_main_thread(self, termination: Termination) -> None:
        async def job() -> Any:
            return await call_here(threading.current_thread)

        assert run_here(job(), termination) is threading.main_thread()

    def test_a_signal_cancels_it_and_it_cleans_up(self, termination: Termination) -> None:
        seen: list[str] = []

        async def job() -> None:
            try:
                os.kill(os.getpid(), signal.SIGTERM)
                await asyncio.sleep(30)
            finally:
                await asyncio.sleep(0.01)
                seen.append("cleaned up")

        with pytest.raises(TerminationRequested):
            run_here(job(), termination)
        assert seen == ["cleaned up"]

    @pytest.mark.parametrize("nested", [False, True])
    def test_one_that_blocks_is_ended_by_an_exception(self, termination: Termination, nested: bool) -> None:
        seen: list[str] = []

        async def block() -> None:
            try:
                sigterm()
            finally:
                seen.append("cleaned up")

        async def job() -> None:
            if not nested:
                await block()
            async with asyncio.TaskGroup() as group:
                group.create_task(block())

        start = time.monotonic()
        with pytest.raises(TerminationRequested):
            run_here(job(), termination)
        assert seen == ["cleaned up"]
        assert time.monotonic() - start < BLOCKED_SECONDS + 3

    def test_one_that_blocks_while_it_cleans_up_is_left_alone(self, termination: Termination) -> None:
        seen: list[str] = []

        async def job() -> None:
            try:
                os.kill(os.getpid(), signal.SIGTERM)
                await asyncio.sleep(30)
            finally:
                time.sleep(BLOCKED_SECONDS + 0.2)  # noqa: ASYNC251 (that it blocks is the point)
                seen.append("cleaned up")

        with pytest.raises(TerminationRequested):
            run_here(job(), termination)
        assert seen == ["cleaned up"]

    def test_one_that_cancels_itself_has_not_been_asked_to(self, termination: Termination) -> None:
        async def job() -> None:
            raise asyncio.CancelledError

        with pytest.raises(asyncio.CancelledError):
            run_here(job(), termination)

    @pytest.mark.parametrize("error", [ValueError("x"), SystemExit(3), KeyboardInterrupt()])
    def test_what_it_raises_is_raised(self, termination: Termination, error: BaseException) -> None:
        async def job() -> None:
            raise error

        with pytest.raises(type(error)):
            run_here(job(), termination)

    def test_tasks_that_it_leaves_behind_are_cancelled(self, termination: Termination) -> None:
        seen: list[str] = []

        async def linger() -> None:
            try:
                await asyncio.sleep(30)
            finally:
                seen.append("cancelled")

        async def job() -> None:
            task = asyncio.create_task(linger())
            await asyncio.sleep(0)
            assert not task.done()

        run_here(job(), termination)
        assert seen == ["cancelled"]


class TestTermination:
    def test_the_main_thread_is_ended_by_default(self, termination: Termination) -> None:
        with pytest.raises(TerminationRequested):
            sigterm()
        assert (termination.signal, termination.exit_code) == (signal.SIGTERM, 143)

    def test_waiting_for_the_loop_is_ended_too(self, loop_thread: LoopThread, termination: Termination) -> None:
        async def job() -> None:
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.sleep(30)

        with pytest.raises(TerminationRequested):
            loop_thread.run(job())

    def test_work_that_must_be_finished_is_left_alone(self, termination: Termination) -> None:
        with termination.reacting(carry_on):
            signal.raise_signal(signal.SIGTERM)
        assert termination.requested

    def test_a_task_that_is_over_ends_the_work_from_any_thread_with_exit_code_0(self, termination: Termination) -> None:
        thread = threading.Timer(0.05, termination.end_task)
        thread.start()
        with pytest.raises(TerminationRequested):
            time.sleep(30)
        thread.join()
        assert termination.exit_code == 0

    def test_earlier_handlers_are_put_back(self) -> None:
        before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
        with Termination.installed():
            assert signal.getsignal(signal.SIGTERM) is not before[0]
        assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_a_loop_that_is_blocked_does_not_keep_the_process() -> None:
    released: Future[None] = Future()

    async def block() -> None:
        released.result(30)

    before = time.monotonic()
    with LoopThread() as loop_thread:
        loop_thread.submit(block())
    assert time.monotonic() - before < 10
    released.set_result(None)
    loop_thread._thread.join(10)
    assert not loop_thread._thread.is_alive()
    loop_thread._loop.close()
