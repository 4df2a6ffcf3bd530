"""A budget of bytes that callers share: who wants more than is left waits, and nobody takes all of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass, field

BUDGET_SECONDS = 3.0
RETRY_SECONDS = 5
"""How long a large result waits for others to be sent, and when its caller should ask again after that."""


@dataclass(eq=False)
class _Waiter:
    key: Hashable
    amount: int
    granted: asyncio.Future[None]


@dataclass(eq=False)
class ByteBudget:
    """So many bytes in all, at most half of them for one key. One amount that is larger is granted alone.

    Those who wait are served in order; one whose key has its half lets others pass.
    """

    total: int
    _taken: Counter[Hashable] = field(default_factory=Counter)
    _waiting: list[_Waiter] = field(default_factory=list)

    @property
    def taken(self) -> int:
        """Bytes that are taken now."""
        return self._taken.total()

    async def take(self, key: Hashable, amount: int, seconds: float) -> bool:
        """Take `amount` bytes as soon as there is room for them; False where there was none within the time.

        Fewer than 0, as a task's status may say that others have written, are none.
        """
        amount = max(0, amount)
        if not self._waiting and self._fits(key, amount):
            self._taken[key] += amount
            return True
        waiting = _Waiter(key, amount, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._grant()
        try:
            async with asyncio.timeout(seconds):
                await asyncio.shield(waiting.granted)
        except TimeoutError:
            return self._given_up(waiting)
        except asyncio.CancelledError:
            if self._given_up(waiting):
                self.give_back(key, amount)
            raise
        return True

    def give_back(self, key: Hashable, amount: int) -> None:
        """Give back what was taken."""
        amount = max(0, amount)
        self._taken[key] -= amount
        if not self._taken[key]:
            del self._taken[key]
        self._grant()

    def _given_up(self, waiting: _Waiter) -> bool:
        """Stop waiting. Whether it was granted all the same."""
        if waiting.granted.done():
            return True
        self._waiting.remove(waiting)
        self._grant()
        return False

    def _grant(self) -> None:
        for waiting in list(self._waiting):
            if self._fits(waiting.key, waiting.amount):
                self._waiting.remove(waiting)
                self._taken[waiting.key] += waiting.amount
                waiting.granted.set_result(None)
            elif self._own_room(waiting.key, waiting.amount):
                # It is its turn; those behind it must not take what it waits for.
                return

    def _fits(self, key: Hashable, amount: int) -> bool:
        is_alone = not self._taken
        return is_alone or (self.taken + amount <= self.total and self._own_room(key, amount))

    def _own_room(self, key: Hashable, amount: int) -> bool:
        return not self._taken[key] or self._taken[key] + amount <= self.total // 2
