"""The requests of a task's process, by way of the agent (`mcptasks.runner.gateway_transport.Transport`)."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass

from mcptasks.gateway.contract import ASSIGNMENT_PATH
from mcptasks.runner.gateway_transport import GatewayReply, NoGatewayError, RequestNotSentError
from mcptasks.worker.frames import BEGIN, BrokenFrameError, ChannelFrame, read_frame

MAX_ANSWER_BYTES = 1 << 30
GONE = "the worker's agent is gone"


@dataclass(frozen=True, eq=False)
class _Connection:
    writer: asyncio.StreamWriter
    answering: asyncio.Task[None]


class SocketTransport:
    """Sends requests to the agent at the other end of the socket. Belongs to the loop that it is first used on."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._connection: _Connection | None = None
        self._count = 0
        self._awaited: dict[int, asyncio.Future[GatewayReply]] = {}

    async def send(self, method: str, path: str, body: bytes | None) -> GatewayReply:
        """Send a request and give the answer, whatever it is. Raises RequestNotSentError, NoGatewayError."""
        connection = self._connection or await self._connect()
        if connection.answering.done():
            raise NoGatewayError(GONE)
        self._count += 1
        number = self._count
        answer: asyncio.Future[GatewayReply] = asyncio.get_running_loop().create_future()
        self._awaited[number] = answer
        try:
            frame = ChannelFrame({"id": number, "method": method, "path": path}, body or b"")
            connection.writer.writelines(frame.encoded())
            await connection.writer.drain()
            reply = await answer
            if path == ASSIGNMENT_PATH:
                # From here on the task counts as begun: before, it may be given to another process.
                connection.writer.writelines(ChannelFrame({"id": number, "method": BEGIN}).encoded())
                await connection.writer.drain()
            return reply
        except ConnectionError as error:
            raise NoGatewayError(GONE) from error
        finally:
            del self._awaited[number]

    async def aclose(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.answering.cancel()
            self._connection.writer.close()

    async def _connect(self) -> _Connection:
        reader, writer = await asyncio.open_connection(sock=self._end)
        self._connection = _Connection(writer, asyncio.create_task(self._answer(reader)))
        return self._connection

    async def _answer(self, reader: asyncio.StreamReader) -> None:
        try:
            while (frame := await read_frame(reader, MAX_ANSWER_BYTES)) is not None:
                if (awaited := self._awaited.get(frame.header.get("id", 0))) is not None and not awaited.done():
                    self._settle(awaited, frame)
        except BrokenFrameError:
            pass
        finally:
            for awaited in self._awaited.values():
                if not awaited.done():
                    awaited.set_exception(NoGatewayError(GONE))

    @staticmethod
    def _settle(awaited: asyncio.Future[GatewayReply], frame: ChannelFrame) -> None:
        if "error" in frame.header:
            awaited.set_exception(RequestNotSentError(str(frame.header["error"])))
        else:
            awaited.set_result(GatewayReply(int(frame.header["status"]), frame.body))
