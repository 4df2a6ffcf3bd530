"""Limits on what one caller may ask of a server. Pure: the time is passed in."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Self

MAX_REMEMBERED = 10_000
BURST_SECONDS = 2.0
SHARES = 10
"""How many callers it takes to use up what all together may do."""


LEAST_UNASKED_TTL_MS = 60_000
FREELY_KEPT = 0.1
"""How much of what it may keep a caller has without its ttls being shortened."""


def unasked_ttl_ms(default_ms: int, kept: int, limit: int, per_second: float) -> int:
    """The ttl of a task for which neither call nor tool has asked for one.

    Whoever calls often has shorter ttls, and not refusals: of the `limit` tasks that the caller may keep, half of those
    that are left are used up until this one expires, if it goes on with as many calls a second.
    """
    if not limit or kept <= FREELY_KEPT * limit or not per_second:
        return default_ms
    fits = 1000 * (limit - kept) / (2 * per_second)
    return max(min(round(fits), default_ms), min(default_ms, LEAST_UNASKED_TTL_MS))


@dataclass
class _Bucket:
    tokens: float
    at: float


@dataclass(eq=False)
class RateLimit:
    """Allows `per_second` calls a second for each key, with bursts of what `burst_seconds` allow; 0 means no limit.

    Only the keys used last are remembered, so memory stays bounded; a forgotten key starts afresh.
    """

    per_second: float
    burst_seconds: float = BURST_SECONDS
    _buckets: OrderedDict[Hashable, _Bucket] = field(default_factory=OrderedDict)

    def allows(self, key: Hashable, now: float, cost: float = 1) -> bool:
        """Whether a call at `now` (seconds of any monotonic clock) is within the limit; it counts if it is.

        `cost`: as how many calls it counts.
        """
        if not self.per_second:
            return True
        most = max(1.0, self.per_second * self.burst_seconds)
        bucket = self._buckets.pop(key, None) or _Bucket(most, now)
        bucket.tokens = min(most, bucket.tokens + (now - bucket.at) * self.per_second)
        bucket.at = now
        self._buckets[key] = bucket
        while len(self._buckets) > MAX_REMEMBERED:
            self._buckets.popitem(last=False)
        if bucket.tokens < cost:
            return False
        bucket.tokens -= cost
        return True

    def has_room(self, key: Hashable, now: float, beside: int = 0) -> bool:
        """Whether `allows` would allow `beside` other calls and this one now. Nothing is counted."""
        if not self.per_second:
            return True
        most = max(1.0, self.per_second * self.burst_seconds)
        bucket = self._buckets.get(key)
        tokens = most if bucket is None else min(most, bucket.tokens + (now - bucket.at) * self.per_second)
        return tokens >= 1 + beside


@dataclass(frozen=True)
class SharedRate:
    """Allows `per_second` calls a second for each key, and ten times as many for all keys together; 0 means no limit.

    Whoever has used up its own share takes nothing of the others'.
    """

    of_each: RateLimit
    of_all: RateLimit

    @classmethod
    def of(cls, per_second: float) -> Self:
        return cls(RateLimit(per_second), RateLimit(SHARES * per_second))

    def allows(self, key: Hashable, now: float) -> bool:
        """Whether a call at `now` (seconds of any monotonic clock) is within the limits; it counts if it is."""
        return self.of_each.allows(key, now) and self.of_all.allows(None, now)

    def has_room(self, key: Hashable, now: float, begun: InProgress) -> bool:
        """Whether `allows` would allow a call now, besides those that are begun and not counted yet."""
        return self.of_each.has_room(key, now, begun.count(key)) and self.of_all.has_room(None, now, begun.total)


@dataclass(eq=False)
class InProgress:
    """Counts, for each key, what is in progress."""

    _counts: Counter[Hashable] = field(default_factory=Counter)

    def count(self, key: Hashable) -> int:
        """How many of the key are in progress."""
        return self._counts[key]

    @property
    def total(self) -> int:
        """How many are in progress in all."""
        return self._counts.total()

    @contextmanager
    def one_more(self, key: Hashable) -> Iterator[None]:
        """One more of the key is in progress until the context ends."""
        with self.more(key, 1):
            yield

    @contextmanager
    def more(self, key: Hashable, amount: int) -> Iterator[None]:
        """So many more of the key are in progress until the context ends."""
        self._counts[key] += amount
        try:
            yield
        finally:
            self._counts[key] -= amount
            if not self._counts[key]:
                del self._counts[key]
