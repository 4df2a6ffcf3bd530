"""The connection of one worker: what it was told, and what it holds as far as this gateway knows."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from mcptasks.gateway.contract import AliveOrder, EndOrder, Order
from mcptasks.gateway.handout import WorkerState
from mcptasks.gateway.workers import WorkerPod


@dataclass(eq=False)
class WorkerLink:
    """A worker that waits for orders. `held` are the attempts that it has, by their task's uid; None until claimed."""

    pod: WorkerPod
    module: str
    held: dict[str, int | None] = field(default_factory=dict)
    told_to_end: set[str] = field(default_factory=set)
    told_to_drain: bool = False
    free_since: float = field(default_factory=time.monotonic)
    closed: bool = False
    _orders: asyncio.Queue[Order | None] = field(default_factory=asyncio.Queue)

    def send(self, order: Order) -> None:
        """Have the order written. What is sent to a closed connection is lost, as on any that breaks."""
        if not self.closed:
            self._orders.put_nowait(order)

    def close(self) -> None:
        """End the stream, after what was sent."""
        if not self.closed:
            self.closed = True
            self._orders.put_nowait(None)

    async def next(self, seconds: float) -> Order | None:
        """The next order; an `AliveOrder` where there is none for that long, None at the end."""
        try:
            async with asyncio.timeout(seconds):
                return await self._orders.get()
        except TimeoutError:
            return AliveOrder()

    def end(self, uid: str, attempt: int, message: str) -> None:
        """Tell the worker to end what it holds of the task, once."""
        if uid not in self.told_to_end:
            self.told_to_end.add(uid)
            self.send(EndOrder(uid=uid, attempt=attempt, message=message))

    def free(self, uid: str) -> None:
        """The worker holds nothing of the task any more."""
        if uid in self.held:
            del self.held[uid]
            self.free_since = time.monotonic()
        self.told_to_end.discard(uid)

    def state(self, taken: int) -> WorkerState:
        """What a decision rests on."""
        return WorkerState(self.pod, self.module, len(self.held), taken, self.free_since)
