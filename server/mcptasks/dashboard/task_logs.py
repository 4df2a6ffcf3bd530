"""What a task prints while it prints it: attempt after attempt, until it has ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from contextlib import aclosing
from dataclasses import dataclass

from mcptasks.dashboard.task_facts import LOG_LINES, TaskLookup
from mcptasks.dashboard.task_index import TaskIndex
from mcptasks.kube.api_client import LogOptions
from mcptasks.kube.errors import KubeError, NotFoundError
from mcptasks.kube.kinds import PODS
from mcptasks.kube.task_attempts import Attempt, attempts_of, log_of, runs_in_worker
from mcptasks.kube.task_objects import parse_task
from mcptasks.model.task import McpTask
from mcptasks.model.task_lines import TaskLine

POLL_SECONDS = 0.5
GATHER_SECONDS = 0.15
LAST_LINES_SECONDS = 1.0
"""How long a worker's log is followed after the task's end: its last lines may come after it."""

MAX_LINES = 2000
"""In one message: what a fast tool prints meanwhile is sent together."""


@dataclass(frozen=True)
class LogPiece:
    """Lines that an attempt has printed; `begins` where they are the first of it."""

    attempt: int
    lines: tuple[str, ...]
    begins: bool = False


@dataclass(frozen=True)
class LogFollower:
    """Follows the log of one task."""

    lookup: TaskLookup
    index: TaskIndex
    namespace: str
    name: str

    async def pieces(self) -> AsyncGenerator[LogPiece]:
        """What the current attempt has printed, and all that follows. Raises KubeError."""
        followed = set[str]()
        while True:
            try:
                task = parse_task(await self.lookup.item(self.namespace, self.name))
            except NotFoundError:
                return
            number = task.status.attempts or 1
            if task.terminal:
                if not followed:
                    yield LogPiece(number, tuple(await self.lookup.log(task)), begins=True)
                return
            pod = await self._started_pod(task)
            key = "" if pod is None else f"{pod.name}/{number if runs_in_worker(task) else ''}"
            if pod is None or key in followed:
                await asyncio.sleep(POLL_SECONDS)
                continue
            followed.add(key)
            async for piece in self._attempt(task, pod, number):
                yield piece

    async def _started_pod(self, task: McpTask) -> Attempt | None:
        kube = self.lookup.kube
        if not runs_in_worker(task):
            attempts = await attempts_of(kube, task.namespace, task.name)
            return next((attempt for attempt in reversed(attempts) if attempt.started), None)
        try:
            return Attempt(await kube.get(PODS, str(task.status.pod_name), task.namespace))
        except NotFoundError:
            return None

    async def _attempt(self, task: McpTask, pod: Attempt, number: int) -> AsyncGenerator[LogPiece]:
        kube = self.lookup.kube
        if runs_in_worker(task):
            pieces = gathered(self._lines_in_worker(pod, number), self._attempt_over(number))
        else:
            pieces = gathered(log_of(kube, task.namespace, pod, follow=True, tail=LOG_LINES))
        begins = True
        async with aclosing(pieces):
            async for lines in pieces:
                yield LogPiece(number, lines, begins)
                begins = False

    async def _lines_in_worker(self, pod: Attempt, number: int) -> AsyncGenerator[str]:
        options = LogOptions(container=pod.container, follow=True)
        begun = ""
        async for line in self.lookup.kube.log_lines(pod.name, self.namespace, options):
            found = TaskLine.parse(line)
            if found is None or (found.task, found.attempt) != (self.name, number):
                continue
            if found.complete:
                yield begun + found.text
            begun = "" if found.complete else begun + found.text

    async def _attempt_over(self, number: int) -> None:
        """Returns when the attempt has ended: a worker's log goes on after it."""
        with self.index.watched(self.namespace, self.name) as changed:
            while True:
                changed.clear()
                row = self.index.row(self.namespace, self.name)
                if row is None or not row.is_open or row.attempts != number:
                    await asyncio.sleep(LAST_LINES_SECONDS)
                    return
                await changed.wait()


async def gathered(lines: AsyncIterator[str], over: Awaitable[None] | None = None) -> AsyncGenerator[tuple[str, ...]]:
    """Lines that come within a moment, together, until they end or it is over. Raises KubeError."""
    queue: asyncio.Queue[str | None] = asyncio.Queue(MAX_LINES)
    failed: list[KubeError] = []

    async def read() -> None:
        try:
            async for line in lines:
                await queue.put(line)
        except KubeError as error:
            failed.append(error)
        await queue.put(None)

    async def end(over: Awaitable[None]) -> None:
        await over
        await queue.put(None)

    working = [asyncio.create_task(read())]
    if over is not None:
        working.append(asyncio.create_task(end(over)))
    try:
        async for piece in _pieces(queue):
            yield piece
        if failed:
            raise failed[0]
    finally:
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)


async def _pieces(queue: asyncio.Queue[str | None]) -> AsyncIterator[tuple[str, ...]]:
    """What is in the queue, together, up to the first None."""
    line = await queue.get()
    while line is not None:
        await asyncio.sleep(GATHER_SECONDS)
        found = [line]
        while not queue.empty() and len(found) < MAX_LINES and (line := queue.get_nowait()) is not None:
            found.append(line)
        yield tuple(found)
        if line is not None:
            line = await queue.get()
