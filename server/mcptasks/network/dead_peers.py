"""Connections whose other end is gone without a word: nothing but silence tells of it."""

from __future__ import annotations

import socket
from dataclasses import dataclass


@dataclass(frozen=True)
class Probing:
    """How a connection finds out, all in seconds but `probes`.

    Args:
        after: silence until the other end is probed.
        every: from probe to probe.
        probes: unanswered ones until the connection is given up.
        unsent: how long what was sent may stay unacknowledged.
    """

    after: int
    every: int
    probes: int
    unsent: int


def notice_dead_peers(sock: socket.socket, probing: Probing) -> None:
    """Have the connection, or those that a listening socket accepts, end with its other end."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    options = {
        "TCP_KEEPIDLE": probing.after,
        "TCP_KEEPINTVL": probing.every,
        "TCP_KEEPCNT": probing.probes,
        "TCP_USER_TIMEOUT": probing.unsent * 1000,
    }
    for name, value in options.items():
        # Not every system has all of them.
        option = getattr(socket, name, None)
        if option is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
