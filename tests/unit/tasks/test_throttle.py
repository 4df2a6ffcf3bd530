"""One value in an interval, the latest: whoever hands it in, and whatever becomes of its delivery."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from mcptasks.tasks.throttle import Throttle

pytestmark = pytest.mark.anyio

QUICK, SLOW = 0.02, 60.0


class Delivered:
    """What was delivered. A delivery fails, or waits, where the test says so."""

    def __init__(self) -> None:
        self.values: list[int] = []
        self.errors: list[Exception] = []
        self.fails: Exception | None = None
        self.let_go = asyncio.Event()
        self.let_go.set()
        self.idle = asyncio.Event()
        self._changed = asyncio.Condition()

    async def __call__(self, value: int) -> None:
        async with self._changed:
            self.values.append(value)
            self._changed.notify_all()
        await self.let_go.wait()
        if self.fails is not None:
            raise self.fails

    def throttle(self, interval: float, gather: float = 0.0) -> Throttle[int]:
        return Throttle(self, interval, self.errors.append, self.idle.set, gather_seconds=gather)

    async def wait_for(self, *values: int) -> None:
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(lambda: self.values == list(values))


@pytest.fixture
async def delivered() -> Delivered:
    return Delivered()


async def test_values_that_belong_together_are_delivered_as_one(delivered: Delivered) -> None:
    throttle = delivered.throttle(SLOW, gather=0.1)
    throttle.post(1)
    for _ in range(10):
        await asyncio.sleep(0)
    throttle.post(2)
    await delivered.wait_for(2)
    await throttle.aclose()


async def test_a_value_that_still_waits_for_others_is_drained(delivered: Delivered) -> None:
    throttle = delivered.throttle(SLOW, gather=SLOW)
    throttle.post(1)
    await asyncio.sleep(0)
    await throttle.drain()
    assert delivered.values == [1]


async def test_the_first_value_is_delivered_at_once_and_the_next_one_waits(delivered: Delivered) -> None:
    throttle = delivered.throttle(SLOW)
    await throttle.offer(1)
    await throttle.offer(2)
    assert delivered.values == [1]
    assert throttle.take() == 2
    assert throttle.take() is None
    await throttle.aclose()


@pytest.mark.parametrize("hand_in", [lambda throttle, value: throttle.post(value), None], ids=["posted", "offered"])
async def test_of_the_values_in_an_interval_the_latest_is_delivered(
    delivered: Delivered, hand_in: Callable[[Throttle[int], int], None] | None
) -> None:
    throttle = delivered.throttle(QUICK)
    for number in range(5):
        if hand_in is None:
            await throttle.offer(number)
        else:
            hand_in(throttle, number)
        if number == 0:
            await delivered.wait_for(0)
    await delivered.wait_for(0, 4)


async def test_values_may_come_from_any_thread(delivered: Delivered) -> None:
    throttle = delivered.throttle(QUICK)
    thread = threading.Thread(target=throttle.post, args=(1,))
    thread.start()
    await delivered.wait_for(1)
    thread.join()


async def test_a_value_that_was_put_back_is_delivered_again_unless_a_later_one_has_come(delivered: Delivered) -> None:
    throttle = delivered.throttle(QUICK)
    throttle.put_back(1)
    assert throttle.take() == 1
    throttle.put_back(1)
    throttle.post(2)
    await throttle.drain()
    assert delivered.values == [2]


async def test_who_offers_hears_of_an_error_and_nobody_else_does(delivered: Delivered) -> None:
    throttle = delivered.throttle(SLOW)
    delivered.fails = ConnectionError("away")
    with pytest.raises(ConnectionError):
        await throttle.offer(1)
    assert delivered.errors == []
    await throttle.aclose()


async def test_errors_of_values_that_waited_are_told_and_stop_nothing(delivered: Delivered) -> None:
    throttle = delivered.throttle(QUICK)
    delivered.fails = ConnectionError("away")
    throttle.post(1)
    await delivered.wait_for(1)
    throttle.post(2)
    await delivered.wait_for(1, 2)
    await delivered.idle.wait()
    assert [str(error) for error in delivered.errors] == ["away", "away"]


async def test_it_says_when_nothing_has_come_for_an_interval_and_then_starts_anew(delivered: Delivered) -> None:
    throttle = delivered.throttle(QUICK)
    await throttle.offer(1)
    async with asyncio.timeout(10):
        await delivered.idle.wait()
    await throttle.offer(2)
    assert delivered.values == [1, 2]
    await throttle.aclose()


async def test_draining_waits_for_the_delivery_under_way_and_delivers_the_last(delivered: Delivered) -> None:
    throttle = delivered.throttle(SLOW)
    delivered.let_go.clear()
    throttle.post(1)
    await delivered.wait_for(1)
    throttle.post(2)
    draining = asyncio.create_task(throttle.drain())
    await asyncio.sleep(0)
    assert delivered.values == [1]
    delivered.let_go.set()
    await draining
    throttle.post(3)
    await asyncio.sleep(0)
    assert delivered.values == [1, 2]


async def test_closing_drops_what_waits_and_cancels_what_is_on_its_way(delivered: Delivered) -> None:
    throttle = delivered.throttle(QUICK)
    delivered.let_go.clear()
    throttle.post(1)
    await delivered.wait_for(1)
    throttle.post(2)
    await throttle.aclose()
    delivered.let_go.set()
    await asyncio.sleep(2 * QUICK)
    assert delivered.values == [1]
