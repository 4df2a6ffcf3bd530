"""A work queue with the semantics of client-go's: no key twice in it, no key with two workers, back-off per key.

`add` of a key that is waiting does nothing; of one that is being worked on, queues it again once that is done. All
waits, for back-off and for `add_after`, are on one heap.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

K = TypeVar("K", bound=Hashable)

BASE_SECONDS = 0.1
MAX_SECONDS = 60.0


class Cancellable(Protocol):
    """A timer that can be stopped."""

    def cancel(self) -> None: ...


class Clock(Protocol):
    """Monotonic time and timers; the event loop's, or a test's."""

    def time(self) -> float: ...

    def call_at(self, when: float, callback: Callable[[], object], /) -> Cancellable: ...


@dataclass(eq=False)
class WorkQueue(Generic[K]):
    """Keys that want work. Belongs to one event loop."""

    clock: Clock | None = None
    _ready: deque[K] = field(default_factory=deque)
    _dirty: set[K] = field(default_factory=set)
    _busy: set[K] = field(default_factory=set)
    _heap: list[tuple[float, int, K]] = field(default_factory=list)
    _due: dict[K, float] = field(default_factory=dict)
    _failures: dict[K, int] = field(default_factory=dict)
    _ready_since: dict[K, float] = field(default_factory=dict)
    _busy_since: dict[K, float] = field(default_factory=dict)
    _done_at: float = float("-inf")
    _getters: deque[asyncio.Future[None]] = field(default_factory=deque)
    _timer: Cancellable | None = None
    _timer_at: float = float("inf")
    _pushed: int = 0

    def __len__(self) -> int:
        """How many keys are ready for a worker."""
        return len(self._ready)

    @property
    def busy(self) -> int:
        """How many keys are being worked on."""
        return len(self._busy)

    @property
    def delayed(self) -> int:
        """How many keys wait for their time."""
        return len(self._due)

    @property
    def oldest_seconds(self) -> float:
        """How long the oldest unfinished key has waited, in seconds."""
        since = self._oldest()
        return 0.0 if since is None else self._clock().time() - since

    @property
    def stalled_seconds(self) -> float:
        """How long there has been work without any of it being finished, in seconds."""
        since = self._oldest()
        return 0.0 if since is None else self._clock().time() - max(since, self._done_at)

    def _oldest(self) -> float | None:
        # Ready keys are in the order in which they were added.
        first = next(iter(self._ready_since.values()), None)
        return min((*self._busy_since.values(), *(() if first is None else (first,))), default=None)

    def add(self, key: K) -> None:
        """Queue the key now."""
        if key in self._dirty:
            return
        self._dirty.add(key)
        self._ready_since[key] = self._clock().time()
        if key not in self._busy:
            self._ready.append(key)
            self._wake()

    def add_after(self, key: K, seconds: float) -> None:
        """Queue the key in this many seconds, unless it is due earlier already."""
        if seconds <= 0:
            self.add(key)
            return
        when = self._clock().time() + seconds
        if self._due.get(key, float("inf")) <= when:
            return
        self._due[key] = when
        self._pushed += 1
        heapq.heappush(self._heap, (when, self._pushed, key))
        self._set_timer()

    def add_failed(self, key: K) -> float:
        """Queue a key again after its work has failed, later each time; returns the pause in seconds."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        pause = min(BASE_SECONDS * 2.0 ** min(failures, 30), MAX_SECONDS)
        self.add_after(key, pause)
        return pause

    def forget(self, key: K) -> None:
        """The key's work succeeded: its next failure is a first one."""
        self._failures.pop(key, None)

    async def get(self) -> K:
        """The next key, which is the caller's until it calls `done`."""
        while not self._ready:
            getter = asyncio.get_running_loop().create_future()
            self._getters.append(getter)
            try:
                await getter
            except asyncio.CancelledError:
                if getter.done() and not getter.cancelled() and self._ready:
                    self._wake()
                raise
        key = self._ready.popleft()
        self._dirty.discard(key)
        self._busy.add(key)
        self._busy_since[key] = self._ready_since.pop(key)
        return key

    def done(self, key: K) -> None:
        """The caller of `get` is finished with the key."""
        self._busy.discard(key)
        del self._busy_since[key]
        self._done_at = self._clock().time()
        if key in self._dirty:
            self._ready.append(key)
            self._wake()

    def close(self) -> None:
        """Stop the timer; keys that wait are dropped."""
        if self._timer is not None:
            self._timer.cancel()
        self._heap.clear()
        self._due.clear()

    def _clock(self) -> Clock:
        return self.clock if self.clock is not None else asyncio.get_running_loop()

    def _wake(self) -> None:
        while self._getters:
            getter = self._getters.popleft()
            if not getter.done():
                getter.set_result(None)
                return

    def _set_timer(self) -> None:
        if not self._heap or self._heap[0][0] >= self._timer_at:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = self._heap[0][0]
        self._timer = self._clock().call_at(self._timer_at, self._release)

    def _release(self) -> None:
        """Queue all keys whose time has come. Heap entries that an earlier time has replaced are passed over."""
        self._timer, self._timer_at = None, float("inf")
        now = self._clock().time()
        while self._heap and self._heap[0][0] <= now:
            when, _, key = heapq.heappop(self._heap)
            if self._due.get(key) == when:
                del self._due[key]
                self.add(key)
        self._set_timer()
