"""Progress on its way from the tool, in whatever thread, to the loop."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mcptasks import Progress
from mcptasks.authoring.progress import PACE_SECONDS, LatestReport, listening, progress

pytestmark = pytest.mark.anyio

Report = tuple[float, float | None, str | None]


class Receiver:
    """Keeps what it gets; can hold each delivery up, or fail it."""

    def __init__(self) -> None:
        self.got: list[Report] = []
        self.arrived = asyncio.Event()
        self.let_go = asyncio.Event()
        self.let_go.set()
        self.fails = False

    async def __call__(self, current: float, total: float | None, message: str | None) -> None:
        self.got.append((current, total, message))
        self.arrived.set()
        await self.let_go.wait()
        if self.fails:
            raise ConnectionError("the caller has gone")

    async def next(self) -> Report:
        async with asyncio.timeout(10):
            await self.arrived.wait()
        self.arrived.clear()
        return self.got[-1]


async def in_thread(work: Callable[[], None]) -> None:
    await asyncio.to_thread(work)


async def in_loop(work: Callable[[], None]) -> None:
    work()


@pytest.mark.parametrize("run", [in_thread, in_loop])
async def test_a_report_is_passed_on_at_once(run: Callable[[Callable[[], None]], Awaitable[None]]) -> None:
    receiver = Receiver()
    with listening(LatestReport(receiver)):
        await run(lambda: progress(1, 2, "half way"))
        assert await receiver.next() == (1, 2, "half way")


async def test_of_a_tight_loop_few_reports_are_passed_on_and_the_last_one_always() -> None:
    receiver = Receiver()
    reports = LatestReport(receiver)

    def count() -> None:
        for number in range(50_000):
            progress(number, 50_000)

    start = time.monotonic()
    with listening(reports):
        await asyncio.to_thread(count)
        await reports.aclose()
    assert receiver.got[-1] == (49_999, 50_000, None)
    assert len(receiver.got) <= (time.monotonic() - start) / PACE_SECONDS + 2


def threads_of_a_pool(work: Callable[[], None]) -> None:
    with ThreadPoolExecutor(2) as pool:
        pool.submit(work).result()


def thread_of_its_own(work: Callable[[], None]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


@pytest.mark.parametrize("run", [threads_of_a_pool, thread_of_its_own])
async def test_threads_of_the_only_call_report(run: Callable[[Callable[[], None]], None]) -> None:
    heard: list[Report] = []
    with listening(lambda *report: heard.append(report)):
        run(lambda: progress(1, 2, "in a thread"))
    run(lambda: progress(2, 2, "after the call"))
    assert heard == [(1, 2, "in a thread")]


async def test_a_pool_that_outlives_calls_reports_to_the_only_one() -> None:
    heard: list[str] = []
    with ThreadPoolExecutor(1) as pool:
        for name in ("one", "two"):
            with listening(partial(named, heard, name)):
                pool.submit(progress, 1).result()
    assert heard == ["one", "two"]


async def test_a_call_within_a_call_is_the_one_that_its_threads_report_to() -> None:
    heard: list[str] = []
    with listening(lambda *_: heard.append("outer")):
        with listening(lambda *_: heard.append("inner")):
            thread_of_its_own(lambda: progress(1))
        thread_of_its_own(lambda: progress(1))
    assert heard == ["inner", "outer"]


def named(heard: list[str], name: str, *_report: object) -> None:
    heard.append(name)


@asynccontextmanager
async def call(heard: list[str], name: str) -> AsyncIterator[None]:
    """A call that listens, in a context of its own."""
    listens, ends = asyncio.Event(), asyncio.Event()

    async def run() -> None:
        with listening(lambda *_: heard.append(name)):
            listens.set()
            await ends.wait()

    running = asyncio.create_task(run())
    await listens.wait()
    yield
    ends.set()
    await running


async def test_a_thread_reports_to_the_only_call_that_was_there_before_it() -> None:
    heard: list[str] = []
    with ThreadPoolExecutor(1) as pool:
        async with call(heard, "first"):
            pool.submit(progress, 1).result()
            async with call(heard, "second"):
                pool.submit(progress, 2).result()
    assert heard == ["first", "first"]


async def test_a_thread_that_may_belong_to_several_calls_reports_to_none_and_the_log_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    heard: list[str] = []
    async with call(heard, "first"), call(heard, "second"):
        for _ in range(2):
            thread_of_its_own(lambda: progress(1))
    assert heard == []
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        "progress of a thread is dropped, because several calls run in this process and it may belong to any of them"
    ]


@pytest.mark.parametrize(
    "numbers",
    [("half",), (1, "two"), (None,), (float("nan"),), (1, float("inf")), (10**400,), ([1],)],
    ids=lambda numbers: str(numbers)[:20],
)
def test_what_is_no_number_is_dropped_and_the_log_says_so_once(
    numbers: tuple[Any, ...], caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[Report] = []
    with listening(lambda *report: heard.append(report)):
        for _ in range(2):
            progress(*numbers)
        progress(1, 2)
    assert heard == [(1, 2, None)]
    (told,) = caplog.messages
    assert told.startswith("progress is dropped: its numbers (")
    assert told.endswith(" must be finite, and only the total may be None")


def test_a_message_is_text_and_numbers_are_those_of_json() -> None:
    heard: list[Report] = []
    with listening(lambda *report: heard.append(report)):
        progress(Decimal("1.5"), True, Path("a/b"))  # type: ignore[arg-type]
        progress(2, 3.5, 7)  # type: ignore[arg-type]
    assert heard == [(1.5, 1.0, "a/b"), (2, 3.5, "7")]
    assert [[type(each) for each in report] for report in heard] == [[float, float, str], [int, float, str]]


def test_so_it_is_of_the_dependency(caplog: pytest.LogCaptureFixture) -> None:
    async def reports() -> None:
        async with Progress() as shown:
            shown.increment(float("nan"))
            shown.set_message("text")

    heard: list[Report] = []
    with listening(lambda *report: heard.append(report)):
        asyncio.run(reports())
    assert heard == []
    assert "progress is dropped" in caplog.text


class CountingLoop(asyncio.SelectorEventLoop):
    """Counts how often another thread could have woken it."""

    wakeups = 0

    def call_soon_threadsafe(self, callback: Any, *args: Any, context: Any = None) -> asyncio.Handle:  # type: ignore[override]
        self.wakeups += 1
        return super().call_soon_threadsafe(callback, *args, context=context)


def test_the_loop_is_woken_once_for_all_reports_that_it_has_not_seen() -> None:
    async def report(loop: CountingLoop) -> None:
        reports = LatestReport(Receiver())
        for number in range(1000):
            reports(number, None, None)
        assert loop.wakeups == 1
        await reports.aclose()

    loop = CountingLoop()
    try:
        loop.run_until_complete(report(loop))
    finally:
        loop.close()


async def test_reports_that_come_while_one_is_passed_on_are_not_lost() -> None:
    receiver = Receiver()
    receiver.let_go.clear()
    reports = LatestReport(receiver)
    reports(1, None, None)
    assert await receiver.next() == (1, None, None)
    reports(2, None, None)
    reports(3, None, None)
    receiver.let_go.set()
    assert await receiver.next() == (3, None, None)
    assert [current for current, _, _ in receiver.got] == [1, 3]


async def test_every_pause_ends_with_the_last_report_of_it() -> None:
    receiver = Receiver()
    reports = LatestReport(receiver)
    for number in range(5):
        reports(number, None, None)
        assert await receiver.next() == (number, None, None)


async def test_the_end_waits_for_the_report_that_is_on_its_way_and_passes_on_the_last() -> None:
    receiver = Receiver()
    receiver.let_go.clear()
    reports = LatestReport(receiver)
    reports(1, None, None)
    await receiver.next()
    reports(2, None, None)
    closing = asyncio.create_task(reports.aclose())
    receiver.let_go.set()
    await closing
    assert [current for current, _, _ in receiver.got] == [1, 2]


async def test_an_error_concerns_one_report_only() -> None:
    receiver = Receiver()
    receiver.fails = True
    reports = LatestReport(receiver)
    for number in (1, 2):
        reports(number, None, None)
        assert await receiver.next() == (number, None, None)
    await reports.aclose()


async def test_reports_after_the_end_are_dropped() -> None:
    receiver = Receiver()
    reports = LatestReport(receiver)
    await reports.aclose()
    thread = threading.Thread(target=reports, args=(1, None, None))
    thread.start()
    await asyncio.to_thread(thread.join)
    await asyncio.sleep(0)
    assert receiver.got == []
