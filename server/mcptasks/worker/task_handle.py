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
from dataclasses import dataclass
from typing import Any

from mcptasks.gateway.contract import ESCAPED_BYTES, MAX_LOG_BYTES
from mcptasks.model.task import TaskUsage
from mcptasks.worker.frames import BrokenFrameError, ChannelFrame, read_frame

logger = logging.getLogger(__name__)

MAX_CONTROL_LINE = ESCAPED_BYTES * MAX_LOG_BYTES + (1 << 20)
"""What is kept of a task's output, as JSON, and a little more."""

MAX_FIRST_REQUEST_BYTES = 1024


@dataclass(frozen=True)
class ProcessEnd:
    """How a task's process has ended.

    Args:
        status: as of waitpid(2); None where the reaper was lost.
        tail: the end of what the task printed.
        left: how many of the processes that it started could not be killed.
        cpu_seconds: of CPU that it and all that it started have used.
        peak_bytes: of memory of the largest of them, at its largest.
    """

    status: int | None
    tail: str = ""
    left: int = 0
    cpu_seconds: float = 0.0
    peak_bytes: int = 0

    @property
    def exit_code(self) -> int | None:
        return os.WEXITSTATUS(self.status) if self.status is not None and os.WIFEXITED(self.status) else None

    def usage(self, wall_seconds: float) -> TaskUsage | None:
        """What it has used in its `wall_seconds`, if its reaper could tell."""
        if self.status is None:
            return None
        return TaskUsage(
            wall_seconds=round(wall_seconds, 3),
            cpu_seconds=round(self.cpu_seconds, 3),
            peak_memory_bytes=self.peak_bytes,
        )

    @property
    def signal(self) -> int | None:
        if self.status is None:
            return signal.SIGKILL
        return os.WTERMSIG(self.status) if os.WIFSIGNALED(self.status) else None


class ReaperLink:
    """The agent's end of a reaper's control."""

    def __init__(self, control: socket.socket, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._control = control
        self._reader = reader
        self._writer = writer
        self.pid: int | None = None
        self.lost = False

    @classmethod
    async def opened(cls, control: socket.socket) -> ReaperLink:
        """The reaper has the other end, or will have it."""
        return cls(control, *await asyncio.open_connection(sock=control, limit=MAX_CONTROL_LINE))

    def tell(self, message: dict[str, Any]) -> None:
        """Send a message; a reaper that is gone needs none."""
        self._writer.write(json.dumps(message).encode() + b"\n")

    def start(self, channel: socket.socket) -> None:
        """Have it make a process with this channel. Raises OSError where it is gone."""
        socket.send_fds(self._control, [b'{"start": true}\n'], [channel.fileno()])

    async def hear(self) -> dict[str, Any] | None:
        """Its next message; None where it is gone."""
        try:
            line = await self._reader.readline()
        except (ConnectionError, ValueError):
            line = b""
        if not line.endswith(b"\n"):
            self.lost = True
            return None
        message: dict[str, Any] = json.loads(line)
        return message

    def close_writing(self) -> None:
        """Have it end, and hear that it has."""
        self._writer.write_eof()

    def close(self) -> None:
        """Have it end, with all that it supervises."""
        self._writer.close()


class TaskHandle:
    """Belongs to the agent's loop. `ended` is done when the process, and all that it started, is gone."""

    def __init__(self, link: ReaperLink, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.link = link
        self._channel_reader = reader
        self._channel_writer = writer
        self._read: deque[ChannelFrame] = deque()
        self.ended = asyncio.create_task(self._watch())

    @classmethod
    async def started(cls, link: ReaperLink) -> TaskHandle:
        """A new process under the reaper. Raises OSError where that is gone."""
        own, given = socket.socketpair()
        try:
            link.start(given)
        except OSError:
            own.close()
            raise
        finally:
            given.close()
        return cls(link, *await asyncio.open_connection(sock=own))

    def label(self, task: str, attempt: int, keep: int = 0) -> None:
        """Whose output it is, from now on, and how much of it is to be kept; 0: its end."""
        self.link.tell({"task": task, "attempt": attempt, "keep": keep})

    def signal(self, number: int) -> None:
        """Send the task's process a signal."""
        if not self.ended.done():
            self.link.tell({"signal": int(number)})

    async def first_request(self) -> bool:
        """Wait for the process's first request; gives whether there is one. It still comes in `requests`."""
        async for frame in self.requests(MAX_FIRST_REQUEST_BYTES):
            self._read.append(frame)
            return True
        return False

    async def requests(self, max_bytes: int) -> AsyncIterator[ChannelFrame]:
        """The process's requests, until it cannot send any more, or sends a larger one."""
        while self._read:
            yield self._read.popleft()
        try:
            while (frame := await read_frame(self._channel_reader, max_bytes)) is not None:
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

    async def released(self) -> ReaperLink | None:
        """Once it has ended: its reaper, as soon as that can have another process; None where it cannot."""
        self._channel_writer.close()
        if not self.link.lost and await self.link.hear() is not None:
            return self.link
        self.link.close()
        return None

    async def _watch(self) -> ProcessEnd:
        while (message := await self.link.hear()) is not None:
            if "reaper" in message:
                self.link.pid = message["reaper"]
            else:
                names = ("status", "tail", "left", "cpu", "peak")
                return ProcessEnd(*(message[name] for name in names))
        return ProcessEnd(None)
