"""Clocks for tests."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class SettableClock:
    """A clock in seconds that only the test moves on."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now
