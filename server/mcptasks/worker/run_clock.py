"""How long an attempt has run, without the time that it has waited for its caller. Pure: time is a parameter."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class RunClock:
    """Stops while a question is open.

    Args:
        limit: seconds that the attempt may run.
        since: since when it runs, by a monotonic clock; None while it waits.
        used: seconds that it had run before.
    """

    limit: float
    since: float | None
    used: float = 0.0

    def left(self, now: float) -> float:
        """Seconds that it may still run."""
        return self.limit - self.used - (0.0 if self.since is None else now - self.since)

    def waiting(self, now: float) -> RunClock:
        """It has asked something."""
        if self.since is None:
            return self
        return replace(self, since=None, used=self.used + now - self.since)

    def running(self, now: float) -> RunClock:
        """It waits for nothing any more."""
        return replace(self, since=now) if self.since is None else self
