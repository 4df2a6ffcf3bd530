"""Container logs: bounded files, read with the options of `pods/log`.

Each line is stored behind its RFC 3339 time and a tag, F for a whole line and P for a part of one, as CRI runtimes do.
A file that reaches half of the limit becomes the older half, so only the newest output of a container
that never stops printing is kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import BinaryIO

from mcptasks_embedded.objects.options import PodLogOptions
from mcptasks_embedded.values import times

#: Bytes kept per container.
LOG_LIMIT = 10 * 1024 * 1024
#: Longer lines are cut into pieces, in bytes.
LINE_LIMIT = 16 * 1024
_FULL, _PART = b" F ", b" P "
_STAMP_SIZE = len("2006-01-02T15:04:05.000000Z")
_TAIL_LINES, _TAIL_BYTES = 80, 2048
_POLL_SECONDS = 0.1


class ContainerLog:
    """The output of one run of a container."""

    def __init__(self, path: Path, limit: int = LOG_LIMIT, on_line: Callable[[str], None] | None = None) -> None:
        self._path = path
        self._half = max(limit // 2, LINE_LIMIT)
        self._on_line = on_line
        self._partial = b""
        self._size = 0
        self._dropped = 0
        self._file: BinaryIO = path.open("wb", buffering=0)
        self.closed = False

    @property
    def _older(self) -> Path:
        return self._path.with_suffix(".1")

    def write(self, data: bytes) -> None:
        lines = (self._partial + data).split(b"\n")
        self._partial = lines.pop()
        if lines:
            self._store(lines, _FULL)
        while len(self._partial) >= LINE_LIMIT:
            self._store([self._partial[:LINE_LIMIT]], _PART)
            self._partial = self._partial[LINE_LIMIT:]

    def _store(self, lines: list[bytes], tag: bytes) -> None:
        prefix = times.micro_stamp().encode() + tag
        block = b"".join(prefix + line + b"\n" for line in lines)
        if self._size + len(block) > self._half:
            self._rotate()
        self._file.write(block)
        self._size += len(block)
        if self._on_line is not None:
            for line in lines:
                self._on_line(line.decode("utf-8", "replace"))

    def _rotate(self) -> None:
        self._file.close()
        if self._older.exists():
            self._dropped += self._older.stat().st_size
        self._path.replace(self._older)
        self._file = self._path.open("wb", buffering=0)
        self._size = 0

    def close(self) -> None:
        if self.closed:
            return
        if self._partial:
            self._store([self._partial], _PART)
            self._partial = b""
        self._file.close()
        self.closed = True

    def read_from(self, offset: int) -> tuple[bytes, int]:
        """Stored bytes from a position in the whole output, and the position after them; dropped output is skipped."""
        older_size = self._older.stat().st_size if self._older.exists() else 0
        start = max(offset - self._dropped, 0)
        data = _tail_of(self._older, start) if start < older_size else b""
        data += _tail_of(self._path, max(start - older_size, 0))
        return data, self._dropped + start + len(data)

    def last_output(self) -> str:
        """What `terminationMessagePolicy: FallbackToLogsOnError` takes: at most 80 lines and 2048 bytes."""
        if not self._path.exists():
            return ""
        data, _ = self.read_from(0)
        lines = _records(data)[-_TAIL_LINES:]
        return _shown(lines, PodLogOptions())[-_TAIL_BYTES:].decode("utf-8", "replace")


def _tail_of(path: Path, offset: int) -> bytes:
    if not path.exists():
        return b""
    with path.open("rb") as file:
        file.seek(offset)
        return file.read()


def _records(data: bytes) -> list[bytes]:
    # Not splitlines(): a progress bar's carriage return ends no record.
    return [record + b"\n" for record in data.split(b"\n")[:-1]]


def _select(data: bytes, options: PodLogOptions) -> list[bytes]:
    lines = _records(data)
    if options.since is not None:
        lines = [line for line in lines if _moment(line) >= options.since]
    if options.tail is not None:
        lines = lines[-options.tail :] if options.tail > 0 else []
    return lines


def _moment(line: bytes) -> float:
    return times.parse(line[:_STAMP_SIZE].decode()).timestamp()


def _shown(lines: list[bytes], options: PodLogOptions) -> bytes:
    return b"".join(_plain(line, options.timestamps) for line in lines)


def _plain(line: bytes, timestamps: bool) -> bytes:
    moment, tag, text = (
        line[:_STAMP_SIZE],
        line[_STAMP_SIZE : _STAMP_SIZE + len(_FULL)],
        line[_STAMP_SIZE + len(_FULL) :],
    )
    if tag == _PART:
        text = text.removesuffix(b"\n")
    return moment + b" " + text if timestamps else text


async def send_log(log: ContainerLog, options: PodLogOptions, send: Callable[[bytes], Awaitable[None]]) -> None:
    """Send what is stored and, with `follow`, what comes until the container ends."""
    data, position = log.read_from(0)
    budget = options.limit
    chunk = _shown(_select(data, options), options)
    while True:
        if budget is not None:
            chunk = chunk[:budget]
            budget -= len(chunk)
        if chunk:
            await send(chunk)
        if not options.follow or budget == 0:
            return
        ended = log.closed
        data, position = log.read_from(position)
        chunk = _shown(_records(data), options)
        if not chunk:
            if ended:
                return
            await asyncio.sleep(_POLL_SECONDS)
