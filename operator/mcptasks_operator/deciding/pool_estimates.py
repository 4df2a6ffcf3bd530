"""What is expected of a template's pool, from what was seen of it: pure values, with the time passed in.

Up is quick and down is slow: of an average over a short time and one over a long time the larger counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from mcptasks.model.decaying_count import DecayingCount

SHORT_SECONDS = 10.0
LONG_SECONDS = 60.0
"""Over how long the calls a second are averaged: what happened that long ago counts for a third of what happens now."""

NEWEST_SHARE = 0.2
"""How much the newest of several durations counts for."""

LONGEST_START_SECONDS = 300.0
"""A worker that took longer was held up by something else: a node that was made for it, an image."""


@dataclass(frozen=True, slots=True)
class MeanSeconds:
    """How long something takes; None before it was seen."""

    seconds: float | None = None

    def after(self, seconds: float) -> Self:
        """With one more duration."""
        seconds = max(seconds, 0.0)
        if self.seconds is None:
            return type(self)(seconds)
        return type(self)(self.seconds + NEWEST_SHARE * (seconds - self.seconds))


NONE_LATELY = DecayingCount(SHORT_SECONDS)
NONE_FOR_LONG = DecayingCount(LONG_SECONDS)


@dataclass(frozen=True, slots=True)
class PoolEstimates:
    """How often a template's tasks are called for, how long they take, and how long a worker takes to be ready."""

    short: DecayingCount = NONE_LATELY
    long: DecayingCount = NONE_FOR_LONG
    task: MeanSeconds = MeanSeconds()
    start: MeanSeconds = MeanSeconds()

    def called(self, moment: datetime) -> PoolEstimates:
        """A task was made."""
        return PoolEstimates(self.short.after(moment), self.long.after(moment), self.task, self.start)

    def ran(self, seconds: float) -> PoolEstimates:
        """A worker has held a task for so long."""
        return PoolEstimates(self.short, self.long, self.task.after(seconds), self.start)

    def started(self, seconds: float) -> PoolEstimates:
        """A worker has become ready so long after it was made."""
        start = self.start.after(min(seconds, LONGEST_START_SECONDS))
        return PoolEstimates(self.short, self.long, self.task, start)

    def calls_per_second(self, now: datetime) -> float:
        """How many tasks are made a second."""
        return max(self.short.rate(now), self.long.rate(now))
