"""The sockets that the server listens on."""

from __future__ import annotations

import asyncio
import socket

import pytest

from mcptasks.server.sockets import listening_socket
from mcptasks.server.start_errors import StartError

pytestmark = pytest.mark.anyio


async def test_answers_are_sent_at_once() -> None:
    """Nagle's algorithm and delayed acknowledgements make 40 ms of each answer that is written in two pieces."""
    delayed: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def look(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        delayed.set_result(not writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    async with await asyncio.start_server(look, sock=listening_socket("127.0.0.1", 0, "the port")) as server:
        _, writer = await asyncio.open_connection("127.0.0.1", server.sockets[0].getsockname()[1])
        assert await delayed is False
        writer.close()
        await writer.wait_closed()


def test_a_port_that_is_taken_is_named_with_the_setting() -> None:
    with (
        listening_socket("127.0.0.1", 0, "the port") as taken,
        pytest.raises(StartError, match="choose another one with --port"),
    ):
        listening_socket("127.0.0.1", taken.getsockname()[1], "--port")
