"""Watches: the changes of one resource as they happen."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from mcptasks_embedded.store.changes import Change


class Watch:
    """A queue of one resource's changes; read it with `wait()`, end it with `close()`."""

    def __init__(self, namespace: str, on_close: Callable[[Watch], None]) -> None:
        self.namespace = namespace
        self._on_close = on_close
        self._queue: deque[Change] = deque()
        self._wake = asyncio.Event()
        self.closed = False

    def offer(self, change: Change) -> None:
        if not self.namespace or change.entry.ref.namespace == self.namespace:
            self._queue.append(change)
            self._wake.set()

    def close(self) -> None:
        self.closed = True
        self._wake.set()
        self._on_close(self)

    def take(self) -> list[Change]:
        """All queued changes, without waiting for more."""
        changes = list(self._queue)
        self._queue.clear()
        self._wake.clear()
        return changes

    async def wait(self, timeout: float | None = None) -> list[Change]:
        """The next changes; an empty list after `timeout` seconds or once the watch is closed."""
        if not self._queue and not self.closed:
            try:
                async with asyncio.timeout(timeout):
                    await self._wake.wait()
            except TimeoutError:
                return []
        return self.take()
