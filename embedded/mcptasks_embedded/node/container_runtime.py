"""One run of one container: a process, its output, its end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mcptasks_embedded.node.container_log import ContainerLog
from mcptasks_embedded.node.processes import Command, ProcessTable, Started, exit_code, exited, spawn

#: Seconds for which a fresh process counts as starting; an earlier exit frees its slot.
_STARTING_SECONDS = 0.15
_DRAIN_SECONDS = 1.0
#: The share of the event loop's time that reading one container's output may take: a flood slows down its writer.
_READING_SHARE = 0.25
_READ_SIZE = 64 * 1024


@dataclass(frozen=True, slots=True)
class ContainerOutcome:
    """How a run ended; times are Unix times."""

    code: int
    reason: str
    message: str
    started: float
    finished: float


class _OutputReader(asyncio.Protocol):
    def __init__(self, log: ContainerLog) -> None:
        self._log = log
        self._transport: asyncio.ReadTransport | None = None
        self.done = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.ReadTransport):
            self._transport = transport

    def data_received(self, data: bytes) -> None:
        begin = time.perf_counter()
        self._log.write(data)
        spent = time.perf_counter() - begin
        if self._transport is not None and len(data) >= _READ_SIZE:
            self._transport.pause_reading()
            asyncio.get_running_loop().call_later(spent * (1 / _READING_SHARE - 1), self._resume)

    def _resume(self) -> None:
        if self._transport is not None and not self._transport.is_closing() and not self.done.is_set():
            self._transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self.done.set()

    async def drain(self) -> None:
        """Wait until the last writer is gone, but not for ever: a process that escaped may hold the pipe."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_SECONDS):
                await self.done.wait()
        if self._transport is not None:
            self._transport.close()


class ContainerRun:
    """A started process. `wait()` must be awaited to its end: it also removes what the process leaves behind."""

    def __init__(self, started: Started, marker: str, log: ContainerLog, table: ProcessTable) -> None:
        self._process = started.process
        self._output = started.output
        self._marker = marker
        self._table = table
        self._killer: asyncio.TimerHandle | None = None
        self._kill_at = float("inf")
        self._dead = False
        self.log = log
        self.started = time.time()
        self.out_of_memory = False

    @property
    def pid(self) -> int:
        """The main process, which leads the container's session."""
        return self._process.pid

    @property
    def marker(self) -> str:
        return self._marker

    def terminate(self, grace: float) -> None:
        """SIGTERM to the main process, SIGKILL to all after `grace` seconds; a shorter grace replaces a longer one."""
        if self._dead:
            return
        if grace <= 0:
            self.kill()
            return
        loop = asyncio.get_running_loop()
        if self._killer is None:
            self._signal(signal.SIGTERM)
        if loop.time() + grace < self._kill_at:
            self._kill_at = loop.time() + grace
            if self._killer is not None:
                self._killer.cancel()
            self._killer = loop.call_later(grace, self.kill)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if not self._dead:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, number)

    async def wait(self) -> int:
        """The exit code, once every process of the container is gone and its output has been read."""
        loop = asyncio.get_running_loop()
        pipe = os.fdopen(self._output, "rb", 0)
        _, reader = await loop.connect_read_pipe(lambda: _OutputReader(self.log), pipe)
        try:
            await exited(self.pid, self._process)
        finally:
            # When the main process of a PID namespace ends, the kernel kills the others.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
            await asyncio.shield(self._clean_up(reader))
        return exit_code(self._process.returncode)

    async def _clean_up(self, reader: _OutputReader) -> None:
        await self._table.sweep(self._marker, self.pid)
        self._dead = True
        if self._killer is not None:
            self._killer.cancel()
        # The process is dead, as `exited` said: this only reaps it.
        self._process.wait()
        await reader.drain()
        self.log.close()


@dataclass(frozen=True, slots=True)
class RunSpec:
    """What a run needs. `marker` identifies the container among all processes."""

    command: Command
    marker: str
    log_path: Path
    on_line: Callable[[str], None] | None = None


class StartSlot:
    """The permission to start one process; released once, by whoever comes first."""

    def __init__(self, starting: asyncio.Semaphore) -> None:
        self._starting: asyncio.Semaphore | None = starting

    def release(self) -> None:
        if self._starting is not None:
            self._starting.release()
            self._starting = None

    def release_soon(self) -> None:
        """A process is busiest just after its start."""
        asyncio.get_running_loop().call_later(_STARTING_SECONDS, self.release)


class Runtime:
    """Starts containers, a few at a time."""

    def __init__(self, starting_limit: int) -> None:
        self.table = ProcessTable()
        self._starting = asyncio.Semaphore(starting_limit)

    async def slot(self) -> StartSlot:
        """Wait for a turn to start."""
        await self._starting.acquire()
        return StartSlot(self._starting)

    async def start(self, spec: RunSpec) -> ContainerRun:
        """Call with a slot. Raises OSError when the command cannot be executed."""
        spec.log_path.parent.mkdir(parents=True, exist_ok=True)
        started = await asyncio.to_thread(spawn, spec.command)
        log = ContainerLog(spec.log_path, on_line=spec.on_line)
        return ContainerRun(started, spec.marker, log, self.table)
