"""Processes that are copies of the zygote, on the agent's side."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from mcptasks.worker.process_source import CannotForkError, ModuleFailedError, SourceLostError
from mcptasks.worker.task_handle import ReaperLink, TaskHandle

logger = logging.getLogger(__name__)

MESSAGE_BYTES = 64 * 1024
END_SECONDS = 1.0
REAPERS_AT_MOST = 5
"""How many reapers in a row may end before they have made a process."""

_CREDENTIALS = struct.Struct("3i")


@dataclass(frozen=True)
class StartedZygote:
    """The zygote's process, and the socket that it will connect to."""

    pid: int
    listener: socket.socket


class ZygoteSource:
    """Has the zygote make processes. `lost` is done once it cannot."""

    def __init__(self, pid: int, control: socket.socket, digest: str, gone: asyncio.Future[int], kept: int) -> None:
        self._pid = pid
        self._control = control
        self._gone = gone
        self._kept = kept
        self._idle: list[ReaperLink] = []
        self._silent = False
        self._closed = False
        self.digest = digest
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().add_reader(control, self._hear)
        gone.add_done_callback(lambda _: self._lose(f"the process that holds the module {_how(gone)}"))

    @classmethod
    async def connected(cls, zygote: StartedZygote, gone: asyncio.Future[int], kept: int) -> ZygoteSource:
        """Once the module is loaded.

        Args:
            gone: the zygote's status, as of waitpid(2), once it has ended.
            kept: how many reapers are kept for other processes at most.

        Raises:
            ModuleFailedError: it cannot be loaded.
            CannotForkError: it is loaded, and the zygote has ended because it cannot be copied.
        """
        with zygote.listener:
            control = await _accepted(zygote, gone)
        message = json.loads(await asyncio.get_running_loop().sock_recv(control, MESSAGE_BYTES) or b"{}")
        match message:
            case {"kind": "ready", "digest": digest}:
                source = cls(zygote.pid, control, digest, gone, kept)
                await source._try_out()
                return source
            case {"kind": "unsafe", "digest": digest, "why": why}:
                control.close()
                raise CannotForkError(why, digest)
            case {"kind": "failed", "message": why}:
                control.close()
                raise ModuleFailedError(why)
        control.close()
        raise ModuleFailedError(f"the process that loaded the module {_how(await gone)} before it was done")

    async def _try_out(self) -> None:
        """Make a process for no task: what the module has hooked into forks may end it. Raises CannotForkError."""
        try:
            handle = await self.make()
            begins = await handle.first_request()
            handle.signal(signal.SIGKILL)
            end = await handle.ended
            await self.forget(handle)
        except SourceLostError as error:
            await self.aclose()
            raise CannotForkError(str(error), self.digest) from error
        if not begins:
            await self.aclose()
            how = "" if end.status is None else f": it {_how(end.status)}"
            raise CannotForkError(f"a copy of the process that loaded the module ended at once{how}", self.digest)

    async def make(self) -> TaskHandle:
        """A process that waits for its task. Raises SourceLostError."""
        for _ in range(REAPERS_AT_MOST):
            if self._silent or self.lost.done():
                raise SourceLostError(await self.lost)
            link = self._idle.pop() if self._idle else await self._reaper()
            try:
                return await TaskHandle.started(link)
            except OSError:
                logger.warning("a reaper has ended; another one takes its place")
                await self._end(link)
        self._lose(f"{REAPERS_AT_MOST} copies in a row of the process that holds the module ended at once")
        raise SourceLostError(await self.lost)

    async def _reaper(self) -> ReaperLink:
        """A new one. Raises SourceLostError."""
        own, given = socket.socketpair()
        try:
            socket.send_fds(self._control, [json.dumps({"kind": "fork"}).encode()], [given.fileno()])
        except OSError as error:
            own.close()
            self._end_of_messages()
            raise SourceLostError(await self.lost) from error
        finally:
            given.close()
        return await ReaperLink.opened(own)

    async def forget(self, handle: TaskHandle) -> None:
        """Keep the reaper of a process that has ended for another one, or see it to its own end."""
        link = await handle.released()
        if link is not None and len(self._idle) < self._kept and not self.lost.done() and not self._closed:
            self._idle.append(link)
        elif link is not None:
            await self._end(link)
        elif handle.link.pid is not None:
            self._have_reaped(handle.link.pid)

    async def _end(self, link: ReaperLink) -> None:
        with suppress(OSError):
            link.close_writing()
        await link.hear()
        link.close()
        if link.pid is not None:
            self._have_reaped(link.pid)

    def _have_reaped(self, pid: int) -> None:
        """The zygote is its parent."""
        if not self._silent:
            with suppress(OSError):
                self._control.send(json.dumps({"kind": "reap", "pid": pid}).encode())

    @property
    def idle_reapers(self) -> set[int]:
        """Pids of reapers that wait for a process."""
        return {link.pid for link in self._idle if link.pid is not None}

    async def aclose(self) -> None:
        """End the zygote; it has nothing to finish."""
        self._closed = True
        while self._idle:
            await self._end(self._idle.pop())
        asyncio.get_running_loop().remove_reader(self._control)
        self._control.close()
        if not self._gone.done():
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            await self._gone

    def _hear(self) -> None:
        try:
            data = self._control.recv(MESSAGE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._end_of_messages()
            return
        message: dict[str, Any] = json.loads(data)
        self._lose(str(message["why"]))

    def _end_of_messages(self) -> None:
        """It has ended, or closed its end: how it ended is known in a moment."""
        if not self._silent:
            self._silent = True
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._control)
            loop.call_later(END_SECONDS, self._lose, "the process that holds the module does not answer")

    def _lose(self, why: str) -> None:
        if not self._closed and not self.lost.done():
            self.lost.set_result(why)


async def _accepted(zygote: StartedZygote, gone: asyncio.Future[int]) -> socket.socket:
    """The zygote's connection, and nobody else's. Raises ModuleFailedError where it ends before it connects."""
    loop = asyncio.get_running_loop()
    zygote.listener.setblocking(False)
    while True:
        accepting = asyncio.ensure_future(loop.sock_accept(zygote.listener))
        awaited: list[asyncio.Future[Any]] = [accepting, gone]
        await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
        if not accepting.done():
            accepting.cancel()
            raise ModuleFailedError(f"the module ended its process while it was imported: it {_how(gone.result())}")
        control, _ = accepting.result()
        control.setblocking(False)
        peer = control.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        if _CREDENTIALS.unpack(peer)[0] == zygote.pid:
            return control
        control.close()


def _how(ended: int | asyncio.Future[int]) -> str:
    status = ended if isinstance(ended, int) else ended.result()
    if os.WIFSIGNALED(status):
        return f"was ended by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"ended with exit code {os.WEXITSTATUS(status)}"
