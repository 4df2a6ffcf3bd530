"""A task's process as its agent has it: a channel for its requests, and the control of the reaper above it."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from mcptasks.worker.frames import BrokenFrameError, ChannelFrame, read_frame

logger = logging.getLogger(__name__)

MAX_CONTROL_LINE = 1 << 20
"""The end of a task's output as JSON takes at most six bytes for each of its own."""

MAX_REQUEST_BYTES = 1 << 30


@dataclass(frozen=True)
class ProcessEnd:
    """How a task's process has ended.

    Args:
        status: as of waitpid(2); None where the reaper was lost.
        tail: the end of what the task printed.
        left: how many of the processes that it started could not be killed.
    """

    status: int | None
    tail: str = ""
    left: int = 0

    @property
    def exit_code(self) -> int | None:
        return os.WEXITSTATUS(self.status) if self.status is not None and os.WIFEXITED(self.status) else None

    @property
    def signal(self) -> int | None:
        if self.status is None:
            return signal.SIGKILL
        return os.WTERMSIG(self.status) if os.WIFSIGNALED(self.status) else None


class HandleEnds:
    """Two pairs of sockets: the ends in `given` are for the process and its reaper, the others for the agent."""

    def __init__(self) -> None:
        self.channel, channel = socket.socketpair()
        self.control, control = socket.socketpair()
        self.given = (channel, control)

    def close_given(self) -> None:
        """Close the ends that others have now: what is sent to them ends when they do."""
        for end in self.given:
            end.close()

    async def opened(self) -> TaskHandle:
        """The agent's side."""
        channel = await asyncio.open_connection(sock=self.channel)
        control = await asyncio.open_connection(sock=self.control, limit=MAX_CONTROL_LINE)
        return TaskHandle(*channel, *control)


class TaskHandle:
    """Belongs to the agent's loop. `ended` is done when the process, and all that it started, is gone."""

    def __init__(
        self,
        channel_reader: asyncio.StreamReader,
        channel_writer: asyncio.StreamWriter,
        control_reader: asyncio.StreamReader,
        control_writer: asyncio.StreamWriter,
    ) -> None:
        self._channel_reader = channel_reader
        self._channel_writer = channel_writer
        self._control_writer = control_writer
        self._read: deque[ChannelFrame] = deque()
        self._control_reader = control_reader
        self.reaper: int | None = None
        self.ended = asyncio.create_task(self._watch(control_reader))

    def label(self, task: str, attempt: int) -> None:
        """Whose output it is, from now on."""
        self._tell({"task": task, "attempt": attempt})

    def signal(self, number: int) -> None:
        """Send the task's process a signal."""
        if not self.ended.done():
            self._tell({"signal": int(number)})

    async def first_request(self) -> bool:
        """Wait for the process's first request; gives whether there is one. It still comes in `requests`."""
        async for frame in self.requests():
            self._read.append(frame)
            return True
        return False

    async def requests(self) -> AsyncIterator[ChannelFrame]:
        """The process's requests, until it cannot send any more."""
        while self._read:
            yield self._read.popleft()
        try:
            while (frame := await read_frame(self._channel_reader, MAX_REQUEST_BYTES)) is not None:
                yield frame
        except BrokenFrameError as error:
            logger.error("the task's process has sent what is no request: %s", error)

    async def answer(self, frame: ChannelFrame) -> None:
        """Answer a request. A process that is gone needs no answer."""
        try:
            self._channel_writer.writelines(frame.encoded())
            await self._channel_writer.drain()
        except ConnectionError:
            logger.debug("the task's process is gone before its answer")

    async def closed(self) -> None:
        """Once it has ended: close both sockets as soon as the reaper is done, too."""
        with suppress(ConnectionError):
            await self._control_reader.read()
        self.abandon()

    def abandon(self) -> None:
        """Close both sockets: a reaper that is still there kills everything."""
        self._channel_writer.close()
        self._control_writer.close()

    def _tell(self, message: dict[str, Any]) -> None:
        self._control_writer.write(json.dumps(message).encode() + b"\n")

    async def _watch(self, reader: asyncio.StreamReader) -> ProcessEnd:
        while True:
            try:
                line = await reader.readline()
            except (ConnectionError, ValueError):
                line = b""
            if not line.endswith(b"\n"):
                return ProcessEnd(None)
            message: dict[str, Any] = json.loads(line)
            if "reaper" in message:
                self.reaper = message["reaper"]
            else:
                return ProcessEnd(message["status"], message["tail"], message["left"])
