"""How often something happens, by what happened lately."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from math import exp
from typing import Self


@dataclass(frozen=True, slots=True)
class DecayingCount:
    """Events a second, of which older ones count for less. They may come in any order: each counts by its own time."""

    over_seconds: float
    per_second: float = 0.0
    at: datetime | None = None

    def after(self, moment: datetime) -> Self:
        """With one more event."""
        at = moment if self.at is None else max(self.at, moment)
        late = (at - moment).total_seconds()
        one = exp(-late / self.over_seconds) / self.over_seconds
        return type(self)(self.over_seconds, self.rate(at) + one, at)

    def rate(self, now: datetime) -> float:
        """Events a second as of now."""
        if self.at is None or now <= self.at:
            return self.per_second
        return self.per_second * exp(-(now - self.at).total_seconds() / self.over_seconds)
