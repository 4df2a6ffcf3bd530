"""Processes of containers: start, find all that belong to one, end them.

There is no PID namespace, so a container's processes are found by a marker in their environment and by their session.
A process that both starts a session of its own and clears its environment escapes; everything else ends with its
container.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

#: Environment variable that marks the processes of a container.
MARKER = "MCPTASKS_LOCAL_CONTAINER"
_PROC = Path("/proc")
_PSS = re.compile(r"^Pss: +(\d+) kB", re.MULTILINE)
_POLL_SECONDS = 0.05
_SWEEP_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class ProcessInfo:
    """One process; `marker` is empty when it belongs to no container or hides its environment, `rss` is in bytes."""

    pid: int
    session: int
    marker: str
    rss: int


def memory_used(processes: Iterable[ProcessInfo]) -> int:
    """Bytes that these processes hold. What they share, as copies of one process do, counts once, as in a cgroup."""
    return sum(map(_share_of, processes))


def _share_of(info: ProcessInfo) -> int:
    """The process's proportional set size, and its `rss` where the system does not tell; 0 for one that has ended."""
    try:
        text = (_PROC / str(info.pid) / "smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0 if sys.platform == "linux" else info.rss
    except OSError:
        return info.rss
    found = _PSS.search(text)
    return int(found[1]) * 1024 if found else info.rss


def scan() -> list[ProcessInfo]:
    """All live processes of this machine that may be inspected."""
    return _scan_proc() if sys.platform == "linux" else _scan_psutil()


def _scan_proc() -> list[ProcessInfo]:
    found = []
    prefix = f"{MARKER}=".encode()
    page = os.sysconf("SC_PAGE_SIZE")
    for name in os.listdir(_PROC):
        if name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                found.append(_read_proc(int(name), prefix, page))
    return [info for info in found if info is not None]


def _read_proc(pid: int, prefix: bytes, page: int) -> ProcessInfo | None:
    stat = _read_all(f"/proc/{pid}/stat").rpartition(b") ")[2].split()
    if stat[0] in (b"Z", b"X") or stat[3] == b"0":
        return None
    marker = ""
    with contextlib.suppress(OSError):
        environment = _read_all(f"/proc/{pid}/environ")
        start = environment.find(prefix)
        if start == 0 or (start > 0 and environment[start - 1] == 0):
            marker = environment[start + len(prefix) :].partition(b"\0")[0].decode("utf-8", "replace")
    return ProcessInfo(pid, int(stat[3]), marker, int(stat[21]) * page)


def _read_all(path: str) -> bytes:
    fd = os.open(path, os.O_RDONLY)
    try:
        chunks = []
        while chunk := os.read(fd, 65536):
            chunks.append(chunk)
        return b"".join(chunks)
    finally:
        os.close(fd)


def _scan_psutil() -> list[ProcessInfo]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.status() != psutil.STATUS_ZOMBIE:
                marker = process.environ().get(MARKER, "")
                info = ProcessInfo(process.pid, os.getsid(process.pid), marker, process.memory_info().rss)
                found.append(info)
    return found


class ProcessTable:
    """Shares one scan of the machine among all who ask at the same time."""

    def __init__(self) -> None:
        self._next: asyncio.Task[list[ProcessInfo]] | None = None
        self._lock = asyncio.Lock()

    async def snapshot(self) -> list[ProcessInfo]:
        """The processes at a moment after the call."""
        if self._next is None:
            self._next = asyncio.create_task(self._scan())
        return await asyncio.shield(self._next)

    async def _scan(self) -> list[ProcessInfo]:
        async with self._lock:
            # Whoever asks from now on must not get this scan: it may predate what they wait for.
            self._next = None
            return await asyncio.to_thread(scan)

    async def members(self, marker: str, session: int) -> list[ProcessInfo]:
        return [info for info in await self.snapshot() if info.marker == marker or info.session == session]

    async def sweep(self, marker: str, session: int) -> None:
        """SIGKILL everything of a container until nothing is left."""
        while True:
            left = await self.members(marker, session)
            if not left:
                return
            for info in left:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(info.pid, signal.SIGKILL)
            await asyncio.sleep(_SWEEP_SECONDS)


@dataclass(frozen=True, slots=True)
class Command:
    """What to start."""

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: Path


@dataclass(frozen=True, slots=True)
class Started:
    """A running main process and the reading end of its stdout and stderr."""

    process: subprocess.Popen[bytes]
    output: int


def spawn(command: Command) -> Started:
    """Start a process in a session of its own; blocks until it was executed. Raises OSError when it cannot be."""
    reading, writing = os.pipe()
    try:
        process = subprocess.Popen(
            list(command.argv),
            env=dict(command.env),
            cwd=command.cwd,
            stdin=subprocess.DEVNULL,
            stdout=writing,
            stderr=writing,
            start_new_session=True,
        )
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    return Started(process, reading)


async def exited(pid: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until the process is dead. On Linux it is not reaped yet, so its pid cannot be reused."""
    if not hasattr(os, "pidfd_open"):
        while process.poll() is None:  # noqa: ASYNC110 - nothing tells of its end on such a system
            await asyncio.sleep(_POLL_SECONDS)
        return
    loop = asyncio.get_running_loop()
    fd = os.pidfd_open(pid)
    done = asyncio.Event()
    loop.add_reader(fd, done.set)
    try:
        await done.wait()
    finally:
        loop.remove_reader(fd)
        os.close(fd)


def exit_code(returncode: int) -> int:
    """As container runtimes report it: 128 + n for a process that signal n ended."""
    return 128 - returncode if returncode < 0 else returncode
