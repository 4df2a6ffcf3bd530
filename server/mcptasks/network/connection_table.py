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
    that has been idle for longest, or else of the one whose body has been coming for longest. Where all are at work, it
    is refused.
    """

    name: str
    most: int
    setting: str | None = None
    _silent: dict[OpenConnection, None] = field(default_factory=dict, init=False)
    _idle: dict[OpenConnection, None] = field(default_factory=dict, init=False)
    _receiving: dict[OpenConnection, None] = field(default_factory=dict, init=False)
    _busy: dict[OpenConnection, None] = field(default_factory=dict, init=False)
    _full: SparseLog = field(default_factory=lambda: SparseLog(logger), init=False)

    @property
    def _all(self) -> tuple[dict[OpenConnection, None], ...]:
        return self._silent, self._idle, self._receiving, self._busy

    def __len__(self) -> int:
        return sum(map(len, self._all))

    def admit(self, connection: OpenConnection) -> bool:
        """Take a new connection in, if need be in the place of another; False where there is no room."""
        if len(self) >= self.most:
            self._full.say(
                "%s: %d connections are open, which is the limit%s; those whose client is waited for make room",
                self.name,
                len(self),
                f" ({self.setting})" if self.setting else "",
            )
            waiting = self._silent or self._idle or self._receiving
            if not waiting:
                return False
            oldest = next(iter(waiting))
            del waiting[oldest]
            oldest.give_way()
        self._silent[connection] = None
        return True

    def receive(self, connection: OpenConnection) -> None:
        """A request has begun on it whose body is not there yet."""
        self._move(connection, self._receiving)

    def begin(self, connection: OpenConnection) -> None:
        """A whole request is there, and at work."""
        self._move(connection, self._busy)

    def end(self, connection: OpenConnection) -> None:
        """Its request has been answered."""
        if connection not in self._silent:
            self._move(connection, self._idle)

    def _move(self, connection: OpenConnection, to: dict[OpenConnection, None]) -> None:
        if connection not in to and self._leave(connection):
            to[connection] = None

    def discard(self, connection: OpenConnection) -> None:
        """It is closed."""
        self._leave(connection)

    def _leave(self, connection: OpenConnection) -> bool:
        for connections in self._all:
            if connection in connections:
                del connections[connection]
                return True
        return False
