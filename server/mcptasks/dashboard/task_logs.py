"""What a task prints while it prints it: attempt after attempt, until it has ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Iterable, Iterator
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

from mcptasks.dashboard.rights import Viewer
from mcptasks.dashboard.task_facts import LOG_LINES, TaskLookup
from mcptasks.dashboard.task_index import TaskIndex
from mcptasks.dashboard.task_rows import TaskRow
from mcptasks.dashboard.unclaimed_pods import PodLooks, unclaimed_pod
from mcptasks.kube.api_client import LogOptions
from mcptasks.kube.errors import NotFoundError
from mcptasks.kube.kinds import PODS
from mcptasks.kube.task_attempts import Attempt, log_of
from mcptasks.kube.task_objects import parse_task
from mcptasks.model.task import McpTask
from mcptasks.model.task_lines import TaskLineReader
from mcptasks.model.task_template import Executor
from mcptasks.settings import KIB
from mcptasks.tasks.limits import InProgress

FIRST_LOOK_SECONDS = 0.5
LAST_LOOK_SECONDS = 30.0
"""How soon a Pod is looked at again that runs a task by its status and has no log yet, and how late in the end."""

FIRST_SEARCH_SECONDS = 2.0
"""How soon Pods are looked for that have not claimed their task yet: later and later, as above."""

GATHER_SECONDS = 0.15
LAST_LINES_SECONDS = 1.0
"""How long a worker's log is followed after the task's end: its last lines may come after it."""

MAX_LINES = 2000
MAX_CHARACTERS = 64 * KIB
"""In one message: what a fast tool prints meanwhile is sent together."""

MAX_FOLLOWED = 200
"""Logs that are followed at once: each takes a connection to the API server."""

MAX_FOLLOWED_BY_ONE = 25
"""Of these, by one viewer."""


class TooManyLogsError(Exception):
    """As many logs are followed as may be."""


@dataclass
class FollowedLogs:
    """How many logs are followed, by whom."""

    most: int = MAX_FOLLOWED
    of_one: int = MAX_FOLLOWED_BY_ONE
    _counts: InProgress = field(default_factory=InProgress)

    @contextmanager
    def one_more(self, viewer: Viewer) -> Iterator[None]:
        """One more is followed. Raises TooManyLogsError.

        Where nobody is asked who they are, there is one person at this machine.
        """
        allowed = self.most if viewer.user is None else self.of_one
        if self._counts.count(viewer.name) >= allowed or self._counts.total >= self.most:
            raise TooManyLogsError
        with self._counts.one_more(viewer.name):
            yield


@dataclass(frozen=True)
class LogPiece:
    """Lines that an attempt has printed; `begins` where they are the first of it."""

    attempt: int
    lines: tuple[str, ...]
    begins: bool = False


@dataclass(frozen=True)
class LogFollower:
    """Follows the log of one task for a viewer.

    While the task waits, the watch is listened to, and a Pod is looked for now and then that prints before it claims
    the task: its modules may take minutes to load, or end the process.
    """

    lookup: TaskLookup
    index: TaskIndex
    followed: FollowedLogs
    looks: PodLooks
    viewer: Viewer
    namespace: str
    name: str
    first_search_seconds: float = FIRST_SEARCH_SECONDS

    async def pieces(self) -> AsyncGenerator[LogPiece]:
        """What the current attempt has printed, and all that follows. Raises TooManyLogsError, KubeError."""
        shown: tuple[str, int] | None = None
        with self.index.watched(self.namespace, self.name) as changed:
            while True:
                changed.clear()
                row = self._row()
                if row is not None and not row.is_open:
                    break
                if row is None and not await self._is_to_come():
                    break
                if row is None or (not row.is_waiting and (row.pod, row.attempts) == shown):
                    await changed.wait()
                elif (pod := await self._pod(row, shown)) is not None:
                    shown = pod.name, row.attempts + row.is_waiting
                    async with aclosing(self._attempt(row, pod, shown[1] or 1)) as pieces:
                        async for piece in pieces:
                            yield piece
        if shown is None:
            async with aclosing(self._ended()) as pieces:
                async for piece in pieces:
                    yield piece

    def _row(self) -> TaskRow | None:
        return self.index.row(self.namespace, self.name)

    async def _is_to_come(self) -> bool:
        """Whether there is such a task that goes on, and the watch has only not told of it yet."""
        task = await self._task()
        return task is not None and not task.terminal

    async def _ended(self) -> AsyncGenerator[LogPiece]:
        """What there is of a task that has ended."""
        if (task := await self._task()) is None:
            return
        with self.followed.one_more(self.viewer):
            for number, lines in enumerate(in_pieces(await self.lookup.log(task))):
                yield LogPiece(task.status.attempts or 1, lines, begins=number == 0)

    async def _task(self) -> McpTask | None:
        """The task as the API server has it; None where there is none."""
        try:
            return parse_task(await self.lookup.item(self.namespace, self.name))
        except NotFoundError:
            return None

    async def _pod(self, row: TaskRow, shown: tuple[str, int] | None) -> Attempt | None:
        """The Pod whose log is to be followed next; None where the task has moved on meanwhile."""
        if row.is_waiting or not row.pod:
            return await self._unclaimed_pod(row, "" if shown is None else shown[0])
        return await self._started_pod(row)

    async def _unclaimed_pod(self, row: TaskRow, shown: str) -> Attempt | None:
        """A Pod that prints and has not claimed the task; None where the task has moved on meanwhile."""
        pause = self.first_search_seconds
        while not await self._moves_on(row, pause):
            pods = await self.looks.pods(self.namespace, self.name, pause / 2)
            if (found := unclaimed_pod(pods, row, shown)) is not None:
                return found
            pause = min(LAST_LOOK_SECONDS, pause * 2)
        return None

    async def _started_pod(self, row: TaskRow) -> Attempt | None:
        """The Pod as soon as there can be a log; None where the task has moved on meanwhile."""
        pause = FIRST_LOOK_SECONDS
        while True:
            with suppress(NotFoundError):
                pod = Attempt(await self.lookup.kube.get(PODS, row.pod, self.namespace))
                if pod.started:
                    return pod
            if await self._moves_on(row, pause):
                return None
            pause = min(LAST_LOOK_SECONDS, pause * 2)

    async def _moves_on(self, row: TaskRow, seconds: float) -> bool:
        """Whether the task is not in this attempt any more, as soon as that is so, within the time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._moved_on(row)
                return True
        return False

    async def _moved_on(self, row: TaskRow) -> None:
        """Returns when the task is not in this attempt any more."""
        with self.index.watched(self.namespace, self.name) as changed:
            while (now := self._row()) and now.is_open and _stage(now) == _stage(row):
                changed.clear()
                await changed.wait()

    async def _attempt(self, row: TaskRow, pod: Attempt, number: int) -> AsyncGenerator[LogPiece]:
        begins = True
        with self.followed.one_more(self.viewer):
            async with aclosing(self._lines(row, pod, number)) as pieces:
                async for lines in pieces:
                    yield LogPiece(number, lines, begins)
                    begins = False

    def _lines(self, row: TaskRow, pod: Attempt, number: int) -> AsyncGenerator[tuple[str, ...]]:
        if _runs_in_worker(row) and not row.is_waiting:
            return gathered(self._lines_in_worker(pod, number), self._attempt_over(row))
        return gathered(log_of(self.lookup.kube, self.namespace, pod, follow=True, tail=LOG_LINES))

    async def _lines_in_worker(self, pod: Attempt, number: int) -> AsyncGenerator[str]:
        options = LogOptions(container=pod.container, follow=True)
        reader = TaskLineReader(self.name, number)
        async with aclosing(self.lookup.kube.log_lines(pod.name, self.namespace, options)) as lines:
            async for line in lines:
                if (text := reader.feed(line)) is not None:
                    yield text

    async def _attempt_over(self, row: TaskRow) -> None:
        """Returns when the attempt has ended: a worker's log goes on after it."""
        await self._moved_on(row)
        await asyncio.sleep(LAST_LINES_SECONDS)


def _stage(row: TaskRow) -> tuple[str, int, bool]:
    return row.pod, row.attempts, row.is_waiting


def _runs_in_worker(row: TaskRow) -> bool:
    return row.executor == Executor.WARM.value and bool(row.pod)


def in_pieces(
    lines: Iterable[str], most: int = MAX_LINES, characters: int = MAX_CHARACTERS
) -> Iterator[tuple[str, ...]]:
    """The lines in pieces of so many lines and characters; a very long line in parts, no lines as one piece. Pure."""
    piece: list[str] = []
    held = 0
    for line in lines:
        for part in parts_of(line, characters):
            if piece and (len(piece) >= most or held + len(part) > characters):
                yield tuple(piece)
                piece, held = [], 0
            piece.append(part)
            held += len(part)
    yield tuple(piece)


def parts_of(line: str, characters: int) -> Iterator[str]:
    """The line in parts of so many characters; an empty one is one part. Pure."""
    for start in range(0, len(line) or 1, characters):
        yield line[start : start + characters]


@dataclass
class WaitingLines:
    """Lines that wait to be sent; whoever reads more waits until there is room for them."""

    most: int = MAX_LINES
    characters: int = MAX_CHARACTERS
    ended: bool = False
    _lines: list[str] = field(default_factory=list)
    _held: int = 0
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def put(self, line: str) -> None:
        """Add a line, in pieces if it is very long."""
        for piece in parts_of(line, self.characters):
            async with self._changed:
                await self._changed.wait_for(partial(self._has_room, len(piece)))
                if not self.ended:
                    self._lines.append(piece)
                    self._held += len(piece)
                    self._changed.notify_all()

    def _has_room(self, size: int) -> bool:
        return self.ended or not self._lines or (len(self._lines) < self.most and self._held + size <= self.characters)

    async def end(self) -> None:
        """No more lines come."""
        async with self._changed:
            self.ended = True
            self._changed.notify_all()

    async def some(self) -> bool:
        """Wait until there are lines, or the end; whether there are any."""
        async with self._changed:
            await self._changed.wait_for(lambda: bool(self._lines) or self.ended)
            return bool(self._lines)

    async def take(self) -> tuple[str, ...]:
        """All that wait."""
        async with self._changed:
            taken = tuple(self._lines)
            self._lines.clear()
            self._held = 0
            self._changed.notify_all()
            return taken


async def gathered(lines: AsyncGenerator[str], over: Awaitable[None] | None = None) -> AsyncGenerator[tuple[str, ...]]:
    """Lines that come within a moment, together, until they end or it is over. Raises whatever ends them."""
    waiting = WaitingLines()
    failed: list[Exception] = []

    async def read() -> None:
        async with aclosing(lines):
            async for line in lines:
                await waiting.put(line)

    async def until_end_of(work: Awaitable[None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 (it goes to whoever reads the lines)
            failed.append(error)
        finally:
            await waiting.end()

    working = [asyncio.create_task(until_end_of(work)) for work in (read(), over) if work is not None]
    try:
        while await waiting.some():
            if not waiting.ended:
                await asyncio.sleep(GATHER_SECONDS)
            yield await waiting.take()
        if failed:
            raise failed[0]
    finally:
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)
