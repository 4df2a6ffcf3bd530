"""The open connections of one port: how many there may be, and which one makes room for a new one."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Protocol

from mcptasks.network.sparse_log import SparseLog

logger = logging.getLogger(__name__)


class OpenConnection(Protocol):
    """A connection that has been taken in."""

    def give_way(self) -> None:
        """Close at once: a new connection needs the room."""
        ...


@dataclass(eq=False)
class ConnectionTable:
    """At most `most` connections of the port that `name` says; `setting` is what allows more of them.

    A new one takes the place of the one that has waited longest without ever having sent a request, or else of the one
    that has been idle for longest. Where all are at work, it is refused.
    """

    name: str
    most: int
    setting: str | None = None
    _silent: dict[OpenConnection, None] = field(default_factory=dict, init=False)
    _idle: dict[OpenConnection, None] = field(default_factory=dict, init=False)
    _busy: dict[OpenConnection, None] = field(default_factory=dict, init=False)
    _full: SparseLog = field(default_factory=lambda: SparseLog(logger), init=False)

    def __len__(self) -> int:
        return len(self._silent) + len(self._idle) + len(self._busy)

    def admit(self, connection: OpenConnection) -> bool:
        """Take a new connection in, if need be in the place of another; False where there is no room."""
        if len(self) >= self.most:
            self._full.say(
                "%s: %d connections are open, which is the limit%s; those without a request are closed for new ones",
                self.name,
                len(self),
                f" ({self.setting})" if self.setting else "",
            )
            waiting = self._silent or self._idle
            if not waiting:
                return False
            oldest = next(iter(waiting))
            del waiting[oldest]
            oldest.give_way()
        self._silent[connection] = None
        return True

    def begin(self, connection: OpenConnection) -> None:
        """A request is in progress on it."""
        if self._leave(connection):
            self._busy[connection] = None

    def end(self, connection: OpenConnection) -> None:
        """Its request has been answered."""
        if connection in self._busy:
            del self._busy[connection]
            self._idle[connection] = None

    def discard(self, connection: OpenConnection) -> None:
        """It is closed."""
        self._leave(connection)

    def _leave(self, connection: OpenConnection) -> bool:
        for connections in (self._silent, self._idle, self._busy):
            if connection in connections:
                del connections[connection]
                return True
        return False
