"""The process above a task's process: it adopts what the task starts, writes its output, and ends what is left.

It runs nothing of the user's, and supervises one process after another. It and the agent tell each other JSON objects,
one a line:

| from the agent | |
|---|---|
| `{"start": true}` with a descriptor | make a process that has this as its channel |
| `{"task": ..., "attempt": 1, "keep": 0}` | tag the output from now on, and keep `keep` bytes of it; 0: its end |
| `{"signal": 15}` | send the task's process a signal |
| nothing any more | the agent is gone: kill everything |

| to the agent | |
|---|---|
| `{"reaper": 16}` | this process's pid, once the task's process has been made |
| `{"status": 9, "tail": "...", ...}` | it has ended, with this `waitpid` status, and so has all that it started |
| `{"free": true}` | its temporary files are removed, and there may be another one |

With the status come `cpu`, the seconds of CPU of all its processes, and `peak`, the bytes of the largest one at its
largest.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import socket
import tempfile
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from resource import struct_rusage
from typing import Any

from mcptasks.model.bounded_output import BoundedOutput
from mcptasks.runner.own_usage import cpu_seconds, peak_bytes
from mcptasks.worker.descendants import adopt_orphans, kill_children
from mcptasks.worker.output_lines import LineTag, LineTagger

TAIL_BYTES = 64 * 1024
READ_BYTES = 64 * 1024
MAX_PENDING_BYTES = 256 * 1024
"""Output that waits to be written. Until there is less, the task waits, as it would at a full pipe."""

KILL_SECONDS = 5.0
FLUSH_SECONDS = 5.0
"""How long the log's reader may take for what is left of the output."""

TEMPORARY_PREFIX = "task-"


@dataclass(frozen=True)
class Surroundings:
    """What a task's process is started with.

    Args:
        stdout, stderr: descriptors to write to; may be the same.
        temporary: directory for its temporary files.
        foreign: descriptors of the reaper's, which a copy of it must close.
    """

    stdout: int
    stderr: int
    temporary: Path
    foreign: tuple[int, ...]


@dataclass(eq=False)
class _Stream:
    """One stream of the task's output: read here, written there."""

    source: int
    target: int
    tagger: LineTagger = field(default_factory=LineTagger)
    pending: deque[bytes] = field(default_factory=deque)
    size: int = 0
    open: bool = True

    def read(self) -> bytes:
        """What has come; nothing where there is nothing yet, or no more."""
        try:
            data = os.read(self.source, READ_BYTES)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        lines = self.tagger.feed(data) if data else self.tagger.finish()
        self.pending.extend(lines)
        self.size += sum(map(len, lines))
        if not data:
            self.open = False
        return data

    def write(self) -> None:
        """Write as many whole lines as fit into a pipe that has room (`select.PIPE_BUF`)."""
        chunk = bytearray()
        while self.pending and (not chunk or len(chunk) + len(self.pending[0]) <= select.PIPE_BUF):
            chunk += self.pending.popleft()
        self.size -= len(chunk)
        # A log that cannot be written does not end the task.
        with suppress(OSError):
            os.write(self.target, chunk)


def remove_tree(folder: Path) -> None:
    """Remove a folder with all that is in it, as far as that can be.

    Also folders that may not be written, such as those in which Go keeps modules: a worker may live for long.
    """
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):
        folder.chmod(0o700)
    for parent, folders, _ in os.walk(folder):
        for path in (os.path.join(parent, name) for name in folders):
            if not os.path.islink(path):
                with suppress(OSError):
                    os.chmod(path, 0o700)
    shutil.rmtree(folder, ignore_errors=True)


class Reaper:
    """Supervises tasks' processes, one after another.

    Args:
        control: leads to the agent.
        start: makes a process that has the task's channel, and gives its pid.
        tag: how the lines of a task and attempt look in the log.
        once: whether to end after the first one.
    """

    def __init__(
        self,
        control: socket.socket,
        start: Callable[[socket.socket, Surroundings], int],
        tag: Callable[[str, int], LineTag],
        *,
        once: bool = False,
    ) -> None:
        self._control = control
        self._start = start
        self._tag = tag
        self._once = once
        self._woken, self._wakes = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._received = b""
        self._channels: deque[int] = deque()
        self._agent_is_there = True
        self._streams: list[_Stream] = []
        self._tail = BoundedOutput(TAIL_BYTES)
        self._pid = 0
        self._status: int | None = None
        self._cpu, self._peak = 0.0, 0

    def run(self) -> None:
        """Until the agent is gone, or what a process has left cannot be ended."""
        adopt_orphans()
        reusable = True
        while reusable:
            while self._agent_is_there and not self._channels:
                select.select([self._control], [], [])
                self._obey()
            if not self._agent_is_there:
                return
            temporary = Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX))
            try:
                reusable = self._supervise(socket.socket(fileno=self._channels.popleft()), temporary)
            finally:
                remove_tree(temporary)
            reusable = reusable and not self._once
            if reusable:
                self._tell({"free": True})

    def _supervise(self, channel: socket.socket, temporary: Path) -> bool:
        """See a process through to its end; gives whether nothing is left of it."""
        self._status, self._tail, self._streams = None, BoundedOutput(TAIL_BYTES), []
        self._cpu, self._peak = 0.0, 0
        self._begin(channel, temporary)
        while self._agent_is_there and self._status is None:
            self._step()
        left = kill_children(KILL_SECONDS, self._count)
        self._flush()
        for stream in self._streams:
            os.close(stream.source)
        self._ignore_children()
        used = {"cpu": self._cpu, "peak": self._peak}
        self._tell({"status": self._status, "tail": self._tail.text(), "left": left, **used})
        return not left

    def _begin(self, channel: socket.socket, temporary: Path) -> None:
        out_read, out_write = os.pipe2(os.O_CLOEXEC)
        err_read, err_write = (out_read, out_write) if os.path.sameopenfile(1, 2) else os.pipe2(os.O_CLOEXEC)
        foreign = {self._woken, self._wakes, out_read, err_read, self._control.fileno()}
        self._pid = self._start(channel, Surroundings(out_write, err_write, temporary, tuple(foreign)))
        channel.close()
        for descriptor in {out_write, err_write}:
            os.close(descriptor)
        for source, target in {out_read: 1, err_read: 2}.items():
            os.set_blocking(source, False)
            self._streams.append(_Stream(source, target))
        signal.set_wakeup_fd(self._wakes, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        self._tell({"reaper": os.getpid()})
        # It may have ended before the handler was there.
        self._reap()

    @staticmethod
    def _ignore_children() -> None:
        """As before the process was started: the next one begins with that."""
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)

    def _step(self) -> None:
        """Wait until something happens, and see to it."""
        happened = self._poll({self._woken: select.POLLIN, self._control.fileno(): select.POLLIN}, None)
        # Before the output: what is printed after the task was named is tagged.
        if self._control.fileno() in happened:
            self._obey()
        if self._woken in happened:
            os.read(self._woken, 4096)
            self._reap()

    def _poll(self, others: dict[int, int], seconds: float | None) -> set[int]:
        """Wait for the given descriptors and the streams; passes output on, gives which of the others are ready."""
        poll = select.poll()
        for descriptor, events in others.items():
            poll.register(descriptor, events)
        for stream in self._streams:
            if stream.open and stream.size < MAX_PENDING_BYTES:
                poll.register(stream.source, select.POLLIN)
            if stream.pending:
                poll.register(stream.target, select.POLLOUT)
        happened = {descriptor for descriptor, _ in poll.poll(None if seconds is None else seconds * 1000)}
        if self._control.fileno() in happened and self._control.fileno() in others:
            return happened & others.keys()
        self._pass_on(happened)
        return happened & others.keys()

    def _pass_on(self, happened: set[int]) -> None:
        for stream in self._streams:
            if stream.source in happened:
                self._tail.add(stream.read())
            if stream.target in happened and stream.pending:
                stream.write()

    def _obey(self) -> None:
        try:
            data, channels, _, _ = socket.recv_fds(self._control, 65536, 4)
        except BlockingIOError:
            return
        except OSError:
            data, channels = b"", []
        # What comes after a descriptor is not read with it (unix(7)): it is about the process that is made then.
        self._channels.extend(channels)
        if not data:
            self._agent_is_there = False
            return
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            order: dict[str, Any] = json.loads(line)
            if "task" in order:
                for stream in self._streams:
                    stream.tagger.label(self._tag(order["task"], order["attempt"]))
                self._keep(order["keep"])
            if "signal" in order and self._pid and self._status is None:
                os.kill(self._pid, order["signal"])

    def _keep(self, size: int) -> None:
        """Keep so much of the output, and of what there is of it already."""
        if size > TAIL_BYTES:
            before = self._tail.text().encode()
            self._tail = BoundedOutput.within(size)
            self._tail.add(before)

    def _reap(self) -> None:
        """Reap what has ended of this process's children, adopted ones too."""
        with suppress(ChildProcessError):
            while (ended := os.wait4(-1, os.WNOHANG))[0]:
                self._count(ended[2])
                if ended[0] == self._pid:
                    self._status = ended[1]

    def _count(self, used: struct_rusage) -> None:
        """Of a process that has ended, with what it has waited for itself. What it has not is reaped here."""
        self._cpu += cpu_seconds(used)
        self._peak = max(self._peak, peak_bytes(used))

    def _flush(self) -> None:
        """Pass on what there is of the output. A process that cannot be killed may hold a stream open for ever."""
        deadline = time.monotonic() + FLUSH_SECONDS
        while time.monotonic() < deadline:
            for stream in self._streams:
                while stream.open and stream.size < MAX_PENDING_BYTES and (data := stream.read()):
                    self._tail.add(data)
            if not any(stream.pending for stream in self._streams):
                return
            self._poll({}, 0.1)

    def _tell(self, message: dict[str, Any]) -> None:
        # Without an agent nobody needs to know.
        with suppress(OSError):
            self._control.sendall(json.dumps(message).encode() + b"\n")
