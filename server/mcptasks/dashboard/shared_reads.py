"""Reads of the API server that pages share: of each kind one at a time, and one in an interval."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")

INTERVAL_SECONDS = 1.0
MAX_AT_ONCE = 4
"""Reads of different kinds at the same time."""


@dataclass(frozen=True)
class _BegunRead(Generic[T]):
    at: float
    reading: asyncio.Task[T]


@dataclass(eq=False)
class SharedReads(Generic[T]):
    """What pages read, by a key that says what it is: whoever asks for the same gets the same.

    Belongs to the loop that it is made on.
    """

    interval_seconds: float = INTERVAL_SECONDS
    clock: Callable[[], float] = time.monotonic
    _last: dict[Hashable, _BegunRead[T]] = field(default_factory=dict)
    _next: dict[Hashable, asyncio.Task[T]] = field(default_factory=dict)
    _turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MAX_AT_ONCE))

    def __len__(self) -> int:
        return len(self._last)

    async def recent(self, key: Hashable, read: Callable[[], Awaitable[T]]) -> T:
        """What a read has found that is not older than the interval. Raises what `read` raises."""
        begun, reading = self._last.get(key), self._next.get(key)
        if begun is not None and (not begun.reading.done() or self._left(begun) > 0):
            reading = begun.reading
        elif reading is None:
            reading = self._begin(key, read)
        return await asyncio.shield(reading)

    async def fresh(self, key: Hashable, read: Callable[[], Awaitable[T]]) -> T:
        """What a read finds that begins from now on, as soon as it may. Raises what `read` raises."""
        coming = self._next.get(key)
        if coming is None:
            coming = self._next[key] = asyncio.create_task(self._in_turn(key, read))
            coming.add_done_callback(take_note)
        return await asyncio.shield(coming)

    async def _in_turn(self, key: Hashable, read: Callable[[], Awaitable[T]]) -> T:
        try:
            begun = self._last.get(key)
            if begun is not None:
                await asyncio.wait([begun.reading])
                await asyncio.sleep(max(0.0, self._left(begun)))
        finally:
            # Whoever comes from now on wants to know what this read may not see any more.
            del self._next[key]
        return await self._begin(key, read)

    def _left(self, begun: _BegunRead[T]) -> float:
        return begun.at + self.interval_seconds - self.clock()

    def _begin(self, key: Hashable, read: Callable[[], Awaitable[T]]) -> asyncio.Task[T]:
        reading = asyncio.create_task(self._read(read))
        reading.add_done_callback(take_note)
        begun = self._last[key] = _BegunRead(self.clock(), reading)
        reading.add_done_callback(lambda _: self._forget_later(key, begun))
        return reading

    def _forget_later(self, key: Hashable, begun: _BegunRead[T]) -> None:
        """Keep in memory what was read for as long as somebody may get it."""

        def forget() -> None:
            if self._last.get(key) is begun and self._left(begun) <= 0:
                del self._last[key]

        begun.reading.get_loop().call_later(self.interval_seconds, forget)

    async def _read(self, read: Callable[[], Awaitable[T]]) -> T:
        async with self._turns:
            return await read()


def take_note(reading: asyncio.Task[T]) -> None:
    """Look at how a shared read has ended: where nobody waits for it any more, its failure is nobody's."""
    if not reading.cancelled():
        reading.exception()
