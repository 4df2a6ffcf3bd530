"""What happens thousands of times a second under load, in the log once in a while."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(eq=False)
class SparseLog:
    """Logs a line, then none for `seconds`; the next one says how many were left out."""

    logger: logging.Logger
    level: int = logging.WARNING
    seconds: float = 10.0
    clock: Callable[[], float] = time.monotonic
    _quiet_until: float = field(default=float("-inf"), init=False)
    _left_out: int = field(default=0, init=False)

    def say(self, message: str, *values: object) -> None:
        """Log the message, or count it."""
        now = self.clock()
        if now < self._quiet_until:
            self._left_out += 1
            return
        if self._left_out:
            message, values = f"{message} (and %d times more since the last line)", (*values, self._left_out)
        self.logger.log(self.level, message, *values)
        self._quiet_until, self._left_out = now + self.seconds, 0
