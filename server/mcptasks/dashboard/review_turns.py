"""When a token may be reviewed of which nobody knows whether it is valid: whoever comes while too many wait in turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from mcptasks.kube.errors import UnavailableError
from mcptasks.tasks.limits import InProgress, SharedRate

WAIT_SECONDS = 3.0
LOOK_SECONDS = 0.05
MAX_WAITING = 100
"""Reviews that wait for one source."""


@dataclass
class ReviewTurns:
    """Bounds the reviews that end with a no, for each source of tokens and for all.

    Each review under way may end so. One too many is not refused at once: it waits in turn, for a while, because those
    before it may end with a yes, which costs nothing.
    """

    rate: SharedRate
    clock: Callable[[], float]
    seconds: float = WAIT_SECONDS
    _undecided: InProgress = field(default_factory=InProgress)
    _waiting: InProgress = field(default_factory=InProgress)
    _queues: dict[str, asyncio.Lock] = field(default_factory=dict)

    @asynccontextmanager
    async def turn(self, source: str) -> AsyncIterator[None]:
        """The turn for one review. Raises UnavailableError where it does not come in time."""
        if self._waiting.count(source) or not self._has_room(source):
            await self._wait(source)
        with self._undecided.one_more(source):
            yield

    def count_bad(self, source: str) -> None:
        """A review for the source has ended with a no."""
        self.rate.allows(source, self.clock())

    def _has_room(self, source: str) -> bool:
        return self.rate.has_room(source, self.clock(), self._undecided)

    async def _wait(self, source: str) -> None:
        if self._waiting.count(source) >= MAX_WAITING:
            raise _too_many()
        queue = self._queues.setdefault(source, asyncio.Lock())
        try:
            with self._waiting.one_more(source):
                async with asyncio.timeout(self.seconds), queue:
                    await self._room_for(source)
        except TimeoutError as error:
            raise _too_many() from error
        finally:
            if not self._waiting.count(source):
                self._queues.pop(source, None)

    async def _room_for(self, source: str) -> None:
        while True:
            if self._has_room(source):
                return
            await asyncio.sleep(LOOK_SECONDS)


def _too_many() -> UnavailableError:
    return UnavailableError(0, "TooManyTokens", "too many tokens came that are not valid; wait a little")
