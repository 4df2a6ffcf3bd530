"""The sockets that the server listens on."""

from __future__ import annotations

import socket

from mcptasks.gateway.contract import SILENCE_SECONDS
from mcptasks.network.dead_peers import Probing, notice_dead_peers
from mcptasks.server.start_errors import StartError

PROBING = Probing(after=60, every=15, probes=4, unsent=120)
"""A client that has not taken in anything of what was sent for two minutes counts as gone."""

WORKER_PROBING = Probing(after=60, every=15, probes=4, unsent=int(SILENCE_SECONDS))
"""A worker that has not taken in anything for as long as it waits itself has connected to another replica."""


def listening_socket(host: str, port: int, setting: str, probing: Probing = PROBING) -> socket.socket:
    """A listening socket. Raises StartError where the port is taken or not allowed."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's algorithm off only where the protocol is named; with it every answer is 40 ms late.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    notice_dead_peers(sock, probing)
    try:
        sock.bind((host, port))
        sock.listen(2048)
    except OSError as error:
        sock.close()
        raise StartError(
            f"cannot listen on {host} port {port}: {error.strerror}; "
            f"choose another one with {setting} (0 is any free one)"
        ) from error
    sock.setblocking(False)
    return sock


def address_of(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
