"""The work queue, with a clock that only moves when it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from mcptasks_operator.watching.work_queue import WorkQueue

pytestmark = pytest.mark.anyio


@dataclass
class Timer:
    when: float
    callback: Callable[[], object]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


@dataclass
class FakeClock:
    now: float = 100.0
    timers: list[Timer] = field(default_factory=list)

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], object], /) -> Timer:
        self.timers.append(Timer(when, callback))
        return self.timers[-1]

    def advance(self, seconds: float) -> None:
        self.now += seconds
        for timer in [timer for timer in self.timers if timer.when <= self.now]:
            self.timers.remove(timer)
            if not timer.cancelled:
                timer.callback()

    @property
    def pending(self) -> int:
        return sum(not timer.cancelled for timer in self.timers)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def queue(clock: FakeClock) -> WorkQueue[str]:
    return WorkQueue(clock)


async def take(queue: WorkQueue[str]) -> str:
    async with asyncio.timeout(1):
        return await queue.get()


async def test_keys_come_in_the_order_in_which_they_were_added(queue: WorkQueue[str]) -> None:
    for key in "abc":
        queue.add(key)
    assert [await take(queue) for _ in range(3)] == ["a", "b", "c"]


async def test_a_key_is_in_the_queue_once(queue: WorkQueue[str]) -> None:
    queue.add("a")
    queue.add("a")
    assert len(queue) == 1


async def test_a_key_that_is_worked_on_is_not_handed_out_a_second_time(queue: WorkQueue[str]) -> None:
    queue.add("a")
    assert await take(queue) == "a"
    queue.add("a")
    queue.add("a")
    assert (len(queue), queue.busy) == (0, 1)
    queue.done("a")
    assert (len(queue), queue.busy) == (1, 0)
    assert await take(queue) == "a"


async def test_a_key_that_did_not_change_meanwhile_is_done(queue: WorkQueue[str]) -> None:
    queue.add("a")
    await take(queue)
    queue.done("a")
    assert len(queue) == 0


async def test_a_waiting_worker_is_woken(queue: WorkQueue[str]) -> None:
    worker = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.add("a")
    assert await worker == "a"


async def test_a_worker_that_is_cancelled_while_it_is_woken_leaves_the_key_to_another(queue: WorkQueue[str]) -> None:
    first, second = asyncio.create_task(queue.get()), asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.add("a")
    first.cancel()
    async with asyncio.timeout(1):
        assert await second == "a"
    assert first.cancelled() or await asyncio.wait([first])


async def test_a_delayed_key_comes_in_time(queue: WorkQueue[str], clock: FakeClock) -> None:
    queue.add_after("a", 5)
    clock.advance(4.9)
    assert (len(queue), queue.delayed) == (0, 1)
    clock.advance(0.2)
    assert (len(queue), queue.delayed) == (1, 0)


async def test_the_earlier_of_two_times_counts(queue: WorkQueue[str], clock: FakeClock) -> None:
    queue.add_after("late first", 9)
    queue.add_after("late first", 3)
    queue.add_after("early first", 3)
    queue.add_after("early first", 9)
    clock.advance(3)
    assert sorted([await take(queue), await take(queue)]) == ["early first", "late first"]
    queue.done("late first")
    queue.done("early first")
    clock.advance(10)
    assert len(queue) == 0, "the later times are forgotten"


async def test_no_delay_is_now(queue: WorkQueue[str]) -> None:
    queue.add_after("a", 0)
    queue.add_after("b", -1)
    assert len(queue) == 2


async def test_all_waits_share_one_timer(queue: WorkQueue[str], clock: FakeClock) -> None:
    for number in range(1000):
        queue.add_after(str(number), 1 + number % 7)
    assert clock.pending == 1
    clock.advance(7)
    assert len(queue) == 1000
    assert clock.pending == 0


async def test_repeated_waits_do_not_grow_the_heap(queue: WorkQueue[str]) -> None:
    for _ in range(1000):
        queue.add_after("a", 3600)
    assert len(queue._heap) == 1


async def test_failures_back_off_and_a_success_forgets_them(queue: WorkQueue[str], clock: FakeClock) -> None:
    pauses = []
    for _ in range(12):
        pauses.append(queue.add_failed("a"))
        clock.advance(pauses[-1])
        await take(queue)
        queue.done("a")
    assert pauses[:4] == [0.1, 0.2, 0.4, 0.8]
    assert max(pauses) == pauses[-1] == 60.0
    queue.forget("a")
    assert queue.add_failed("a") == 0.1


async def test_a_key_that_is_added_while_it_waits_comes_now_and_once_more_later(
    queue: WorkQueue[str], clock: FakeClock
) -> None:
    queue.add_after("a", 5)
    queue.add("a")
    assert await take(queue) == "a"
    queue.done("a")
    clock.advance(5)
    assert len(queue) == 1


async def test_a_closed_queue_has_no_timer(queue: WorkQueue[str], clock: FakeClock) -> None:
    queue.add_after("a", 5)
    queue.close()
    assert clock.pending == 0


async def test_the_event_loops_own_clock() -> None:
    queue = WorkQueue[str]()
    queue.add_after("a", 0.01)
    assert await take(queue) == "a"


async def test_it_tells_the_age_of_the_oldest_work(queue: WorkQueue[str], clock: FakeClock) -> None:
    assert queue.oldest_seconds == 0
    queue.add("a")
    clock.now += 3
    queue.add("b")
    clock.now += 4
    assert queue.oldest_seconds == 7
    assert await take(queue) == "a"
    assert queue.oldest_seconds == 7, "what is worked on is not done"
    queue.done("a")
    assert queue.oldest_seconds == 4
    queue.done(await take(queue))
    assert queue.oldest_seconds == 0


async def test_a_long_queue_that_gets_shorter_is_not_a_stall(queue: WorkQueue[str], clock: FakeClock) -> None:
    for key in "abc":
        queue.add(key)
    clock.now += 100
    assert queue.stalled_seconds == 100
    queue.done(await take(queue))
    clock.now += 5
    assert queue.oldest_seconds == 105
    assert queue.stalled_seconds == 5


async def test_an_idle_queue_is_not_a_stall(queue: WorkQueue[str], clock: FakeClock) -> None:
    queue.add("a")
    queue.done(await take(queue))
    clock.now += 1000
    assert queue.stalled_seconds == 0
    queue.add("b")
    assert queue.stalled_seconds == 0


async def test_a_key_that_is_added_while_it_is_worked_on_counts_from_then(
    queue: WorkQueue[str], clock: FakeClock
) -> None:
    queue.add("a")
    assert await take(queue) == "a"
    clock.now += 10
    queue.add("a")
    queue.done("a")
    clock.now += 1
    assert queue.oldest_seconds == 1
    queue.done(await take(queue))
    assert queue.oldest_seconds == 0
