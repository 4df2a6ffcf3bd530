"""The latest value wins, and is delivered no more than once in an interval: how progress gets out of a busy tool.

Progress is throttled three times on its way: between the tool's thread and the loop, between the runner and the
gateway, and between the gateway and the task's status. The rule is the same each time, and stands here. It imports
nothing, because the process in the Pod needs it too.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Generic, TypeVar

T = TypeVar("T")


class Throttle(Generic[T]):
    """Delivers the first value at once, and then one in each interval at most: the latest of those that have come.

    A value that comes while an earlier one is delivered, or within the interval after that, waits for its turn; a later
    one takes its place. The interval counts from the end of a delivery. Belongs to the loop that it is made on.

    Args:
        deliver: takes a value. Never called twice at the same time.
        interval_seconds: pause after each delivery.
        failed: is told of errors that `deliver` raises where nobody waits for it.
        idle: is called whenever an interval has passed and no value has come.
        gather_seconds: how long the first value waits for a later one, where several belong together.
    """

    def __init__(
        self,
        deliver: Callable[[T], Awaitable[None]],
        interval_seconds: float,
        failed: Callable[[Exception], None],
        idle: Callable[[], None] = lambda: None,
        gather_seconds: float = 0.0,
    ) -> None:
        self._deliver = deliver
        self._interval = interval_seconds
        self._failed = failed
        self._idle = idle
        self._gather = gather_seconds
        self._loop = asyncio.get_running_loop()
        self._latest: deque[T] = deque(maxlen=1)
        self._returned: deque[T] = deque(maxlen=1)
        self._awake = False
        self._offering = False
        self._stopped = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None

    def post(self, value: T) -> None:
        """Have the value delivered on the loop. Never blocks; may be called from any thread and signal handler."""
        # No lock: a signal may interrupt this at any point and post as well. A value is stored before the flag is read,
        # and the worker lowers the flag before it looks for values, so that none is overlooked.
        self._latest.append(value)
        if not self._awake and not self._stopped.is_set():
            self._awake = True
            self._loop.call_soon_threadsafe(self._start)

    async def offer(self, value: T) -> None:
        """On the loop: deliver the value here, where it is its turn, or keep it. Raises what `deliver` raises."""
        if self._busy:
            self._latest.append(value)
            return
        self._offering = True
        try:
            await self._deliver(value)
        finally:
            self._offering = False
            if not self._stopped.is_set():
                self._worker = self._loop.create_task(self._pause_and_deliver())

    def put_back(self, value: T) -> None:
        """On the loop: deliver the value again at the next turn, unless a later one has come by then."""
        self._returned.append(value)

    def take(self) -> T | None:
        """On the loop: the value that waits, which is the caller's to deliver from now on."""
        returned = self._returned.pop() if self._returned else None
        return self._latest.pop() if self._latest else returned

    async def drain(self) -> None:
        """On the loop: deliver the last value without a pause, after the one that is on its way. Later ones are lost.

        Raises what `deliver` raises for the last value.
        """
        self._stopped.set()
        if self._worker is not None:
            await asyncio.wait([self._worker])
        value = self.take()
        if value is not None:
            await self._deliver(value)

    def stop(self) -> None:
        """On the loop: deliver no more values."""
        self._stopped.set()

    async def aclose(self) -> None:
        """On the loop: stop, and cancel the delivery that is under way."""
        self._stopped.set()
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)

    @property
    def _busy(self) -> bool:
        return self._offering or (self._worker is not None and not self._worker.done())

    def _start(self) -> None:
        if not self._stopped.is_set() and not self._busy:
            self._worker = self._loop.create_task(self._deliver_and_pause())

    async def _deliver_and_pause(self) -> None:
        if self._gather:
            await self._pause(self._gather)
            if self._stopped.is_set():
                return
        await self._deliver_waiting()
        await self._pause_and_deliver()

    async def _pause_and_deliver(self) -> None:
        """Pause and deliver what has come meanwhile, again and again until nothing has."""
        while True:
            await self._pause(self._interval)
            if self._stopped.is_set():
                return
            self._awake = False
            if not self._latest and not self._returned:
                self._idle()
                return
            await self._deliver_waiting()

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopped.wait()

    async def _deliver_waiting(self) -> None:
        value = self.take()
        if value is None:
            return
        try:
            await self._deliver(value)
        except Exception as error:  # noqa: BLE001 - whoever made the throttle knows which errors matter
            self._failed(error)
