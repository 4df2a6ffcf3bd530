"""uvicorn's HTTP/1.1 protocol with an end to all waiting for a client.

uvicorn itself closes connections that are idle after an answer, and waits for ever for a first request, for the rest of
a header, and for the rest of a body.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from mcptasks.network.connection_table import ConnectionTable

STALLED_PERIODS = 2

UNSENT_SECONDS = 5.0
"""How long a connection that is closed may take to send what it still has."""


def plain_answer(status: HTTPStatus, text: str) -> bytes:
    """A whole HTTP/1.1 response that closes its connection."""
    return (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: text/plain; charset=utf-8\r\nRetry-After: 1\r\n"
        f"Connection: close\r\nContent-Length: {len(text)}\r\n\r\n{text}"
    ).encode("ascii")


BUSY = plain_answer(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections")
TOO_SLOW = plain_answer(HTTPStatus.REQUEST_TIMEOUT, "the request is too slow")


@dataclass(frozen=True)
class ClientPatience:
    """How long a client is waited for.

    Args:
        header_seconds: from the first byte of a request, or the connection's beginning, to the end of its header.
        stall_seconds: a body has to bring at least `stall_bytes` in each time of this length.
        stall_bytes: see there.
        unread_seconds: from when 64 KiB of an answer are unread, to when the client has read three quarters of them.
    """

    header_seconds: float = 10.0
    stall_seconds: float = 10.0
    stall_bytes: int = 4096
    unread_seconds: float = 30.0


class BoundedProtocol(H11Protocol):
    """One connection of a port, which `table` counts. The other arguments are uvicorn's."""

    def __init__(self, table: ConnectionTable, patience: ClientPatience, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self._table = table
        self._patience = patience
        self._header_timer: asyncio.TimerHandle | None = None
        self._body_timer: asyncio.TimerHandle | None = None
        self._unread_timer: asyncio.TimerHandle | None = None
        self._received = 0
        self._stalled_periods = 0

    @property
    def _busy(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def _expects_body(self) -> bool:
        return self._busy and self.cycle.more_body

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        if self._table.admit(self):
            self._expect_header()
        else:
            self._close_with(BUSY)

    def give_way(self) -> None:
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self._close_with(b"" if self._busy and self.cycle.response_started else BUSY)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timers()
        self._cancel_unread_timer()
        self._table.discard(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if not self._busy and self._header_timer is None:
            self._expect_header()
        self._received += len(data)
        super().data_received(data)
        self._follow()

    def pause_writing(self) -> None:
        """asyncio's: as much is unsent as it takes. Nothing more is written until the client has read of it."""
        super().pause_writing()
        self._unread_timer = self.loop.call_later(self._patience.unread_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """asyncio's: the client has read most of it."""
        self._cancel_unread_timer()
        super().resume_writing()

    def _unsupported_upgrade_warning(self) -> None:
        """Nothing: whoever connects could fill the log with it."""

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._follow()

    def _follow(self) -> None:
        """Set the timers by what the client has to do now."""
        if self._expects_body:
            self._table.receive(self)
            self._cancel_header_timer()
        elif self._busy:
            self._table.begin(self)
            self._cancel_header_timer()
        else:
            self._table.end(self)
        if self._expects_body and not self.transport.is_closing():
            if self._body_timer is None:
                self._stalled_periods = 0
                self._expect_body()
        elif self._body_timer is not None:
            self._body_timer.cancel()
            self._body_timer = None

    def _expect_header(self) -> None:
        self._header_timer = self.loop.call_later(self._patience.header_seconds, self._header_late)

    def _header_late(self) -> None:
        self._header_timer = None
        if not self._busy:
            begun = bool(self.conn.trailing_data[0])
            self._close_with(TOO_SLOW if begun else b"")

    def _expect_body(self) -> None:
        self._received = 0
        self._body_timer = self.loop.call_later(self._patience.stall_seconds / STALLED_PERIODS, self._look_at_body)

    def _look_at_body(self) -> None:
        """Count a stalled period where too little has come. While the application does not read, nothing can come."""
        self._body_timer = None
        if not self._expects_body:
            return
        unread = self.flow.read_paused or self.cycle.body or self.cycle.waiting_for_100_continue
        enough = self._received >= self._patience.stall_bytes / STALLED_PERIODS
        self._stalled_periods = 0 if unread or enough else self._stalled_periods + 1
        if self._stalled_periods < STALLED_PERIODS:
            self._expect_body()
        else:
            self._close_with(b"" if self.cycle.response_started else TOO_SLOW)

    def _close_with(self, answer: bytes) -> None:
        self._stop_timers()
        if not self.transport.is_closing():
            if answer:
                self.transport.write(answer)
            self.transport.close()
            if self.transport.get_write_buffer_size():
                self.loop.call_later(UNSENT_SECONDS, self.transport.abort)

    def _cancel_header_timer(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _cancel_unread_timer(self) -> None:
        if self._unread_timer is not None:
            self._unread_timer.cancel()
            self._unread_timer = None

    def _stop_timers(self) -> None:
        self._cancel_header_timer()
        if self._body_timer is not None:
            self._body_timer.cancel()
            self._body_timer = None
