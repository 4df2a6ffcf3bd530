"""A task's output on its way to the worker's log: lines with the task's tag, and the end of it for the outcome."""

from __future__ import annotations

from collections import deque

from mcptasks.model.task_lines import MAX_LINE_BYTES, line_tag


class LineTagger:
    """Makes tagged lines of a stream of bytes. `label` is the task and its attempt; without one lines stay as they are.

    What has no line's end yet is kept until it has one, or is too long to wait.
    """

    def __init__(self) -> None:
        self._rest = bytearray()
        self._whole = b""
        self._piece = b""

    def label(self, task: str, attempt: int) -> None:
        """Tag lines that end from now on."""
        self._whole = line_tag(task, attempt).encode()
        self._piece = line_tag(task, attempt, complete=False).encode() if task else b""

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that the data completes, each with its end and no longer than `MAX_LINE_BYTES`."""
        self._rest += data
        *complete, rest = self._rest.split(b"\n")
        lines = [piece for line in complete for piece in self._tagged(bytes(line))]
        room = MAX_LINE_BYTES - len(self._piece) - 1
        while len(rest) > room:
            lines.append(self._piece + bytes(rest[:room]) + b"\n")
            rest = rest[room:]
        self._rest = bytearray(rest)
        return lines

    def finish(self) -> list[bytes]:
        """What has come after the last line's end, as a line."""
        rest, self._rest = bytes(self._rest), bytearray()
        return self._tagged(rest) if rest else []

    def _tagged(self, line: bytes) -> list[bytes]:
        room = MAX_LINE_BYTES - len(self._piece) - 1
        pieces = []
        while len(line) > room:
            pieces.append(self._piece + line[:room] + b"\n")
            line = line[room:]
        return [*pieces, self._whole + line + b"\n"]


class OutputTail:
    """The last bytes of some output."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._chunks: deque[bytes] = deque()
        self._held = 0
        self._last_dropped = b"\n"

    def add(self, data: bytes) -> None:
        """Take what comes next."""
        self._chunks.append(data)
        self._held += len(data)
        while len(self._chunks) > 1 and self._held - len(self._chunks[0]) >= self._size:
            dropped = self._chunks.popleft()
            self._held -= len(dropped)
            self._last_dropped = dropped[-1:] or self._last_dropped

    def text(self) -> str:
        """The last bytes as text, from the beginning of a line where something was left out before it."""
        held = b"".join(self._chunks)
        before = self._last_dropped
        if len(held) > self._size:
            before, held = held[: -self._size][-1:], held[-self._size :]
        if before != b"\n":
            first, end, rest = held.partition(b"\n")
            held = rest if end else first
        return held.decode("utf-8", "replace")
