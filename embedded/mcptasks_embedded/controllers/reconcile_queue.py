"""A controller's queue and loop: a key is handled by one call at a time, and again if it changed meanwhile."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

_log = logging.getLogger(__name__)
Key = TypeVar("Key", bound=Hashable)

_RETRY_SECONDS = 1.0


class ReconcileQueue(Generic[Key]):
    """Calls `reconcile(key)` for every added key; its result says in how many seconds to call again."""

    def __init__(self, name: str, reconcile: Callable[[Key], float | None]) -> None:
        self._name = name
        self._reconcile = reconcile
        self._keys: dict[Key, None] = {}
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._wake = asyncio.Event()
        self.paused = False

    def add(self, key: Key) -> None:
        self._keys[key] = None
        if not self.paused:
            self._wake.set()

    def add_after(self, key: Key, seconds: float) -> None:
        """Add `key` after the given seconds, unless an earlier time is already set."""
        loop = asyncio.get_running_loop()
        timer = self._timers.get(key)
        if timer is not None and timer.when() <= loop.time() + seconds:
            return
        if timer is not None:
            timer.cancel()
        self._timers[key] = loop.call_later(seconds, self._due, key)

    def _due(self, key: Key) -> None:
        self._timers.pop(key, None)
        self.add(key)

    def pause(self) -> None:
        self.paused = True
        self._wake.clear()

    def resume(self) -> None:
        self.paused = False
        if self._keys:
            self._wake.set()

    async def run(self) -> None:
        """Handle keys until cancelled."""
        try:
            while True:
                await self._wake.wait()
                if not self._keys or self.paused:
                    self._wake.clear()
                    continue
                key = next(iter(self._keys))
                del self._keys[key]
                self._handle(key)
                # Give watchers and requests their turn between two objects.
                await asyncio.sleep(0)
        finally:
            for timer in self._timers.values():
                timer.cancel()

    def _handle(self, key: Key) -> None:
        try:
            again = self._reconcile(key)
        except Exception:  # noqa: BLE001 - one object must not stop the others; it is tried again
            _log.exception("%s failed on %s", self._name, key)
            again = _RETRY_SECONDS
        if again is not None:
            self.add_after(key, again)
