"""`mcptasks logs`: what a task's tool printed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Annotated

import typer

from mcptasks.cli.cluster_options import ContextOption, KubeconfigOption, NamespaceOption
from mcptasks.cli.cluster_session import ClusterOptions, ClusterSession, on_cluster
from mcptasks.cli.command_errors import CliError, usage_error
from mcptasks.cli.command_settings import load_settings
from mcptasks.cli.task_completion import complete_task
from mcptasks.cli.terminal_text import show, tell
from mcptasks.kube.errors import KubeError, NotFoundError
from mcptasks.kube.kinds import MCP_TASKS, PODS
from mcptasks.kube.task_attempts import Attempt, attempts_of, lines_in_worker, log_of, runs_in_worker
from mcptasks.kube.task_objects import parse_task
from mcptasks.model.log_records import log_text
from mcptasks.model.task import LogRecord, McpTask
from mcptasks.model.task_lines import TaskLineReader
from mcptasks.stores.kept_logs import KeptLogs
from mcptasks.stores.results import Results

POLL_SECONDS = 0.5


def command(
    name: Annotated[str, typer.Argument(help="The task.", autocompletion=complete_task)],
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Wait for the task to start, and follow it until it ends.")
    ] = False,
    tail: Annotated[int | None, typer.Option(min=0, help="Show only this many of the last lines.")] = None,
    previous: Annotated[bool, typer.Option("--previous", "-p", help="The attempt before the last one.")] = False,
    namespace: NamespaceOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Print what a task's tool printed. With -f, follow all attempts until the task ends.

    \b
    Example:
      mcptasks logs -f report-x5b2c7
    """
    if follow and previous:
        raise usage_error("--previous is about an attempt that is over: leave -f out")
    options = ClusterOptions(kubeconfig, context, namespace)
    on_cluster(options, lambda cluster: _print(cluster, name, tail, follow, previous))


async def _print(cluster: ClusterSession, name: str, tail: int | None, follow: bool, previous: bool) -> None:
    found = await cluster.find(name)
    try:
        results = Results.from_settings(load_settings())
    except ValueError as error:
        raise usage_error(str(error)) from error
    async with results:
        log = TaskLog(found.cluster, found.name, tail, results.logs)
        lines = log.follow() if follow else log.read(previous)
        async for line in lines:
            show(line)


@dataclass(frozen=True)
class TaskLog:
    """The log of a task over its attempts. `tail` limits what is shown of the first attempt read.

    What the task has kept is shown where its Pod is gone, or tells of others too.
    """

    cluster: ClusterSession
    name: str
    tail: int | None = None
    kept: KeptLogs = field(default_factory=KeptLogs)

    async def read(self, previous: bool) -> AsyncIterator[str]:
        """Lines of the last attempt, or of the one before. Raises CliError where there is none."""
        task = await self.cluster.task(self.name)
        log = task.status.log
        is_asked_for = log is not None and (previous or log.attempt == task.status.attempts)
        if log is not None and is_asked_for and (runs_in_worker(task) or not await self._has_pod(previous)):
            for line in await self._recorded(task, log, previous=previous):
                yield line
            return
        if runs_in_worker(task) and not previous:
            pod = str(task.status.pod_name)
            for line in self._last(
                await lines_in_worker(
                    self.cluster.kube, self.cluster.namespace, self.name, task.status.attempts or 1, pod
                )
            ):
                yield line
            return
        attempts = await attempts_of(self.cluster.kube, self.cluster.namespace, self.name)
        if not attempts:
            raise CliError(f"task {self.name} has no Pod: {_why(task)}")
        if previous and len(attempts) < 2:
            raise CliError(f"task {self.name} has had one attempt only: leave --previous out")
        attempt = attempts[-2 if previous else -1]
        if not attempt.started:
            raise CliError(f"task {self.name} has not started yet ({attempt.outcome()}); -f waits for it")
        async for line in log_of(self.cluster.kube, self.cluster.namespace, attempt, tail=self.tail):
            yield line

    async def _has_pod(self, previous: bool) -> bool:
        """Whether the attempt's own Pod is there, whose log has more than what is kept of it."""
        attempts = await self._own_attempts()
        return len(attempts) > 1 if previous else bool(attempts) and attempts[-1].started

    async def _recorded(self, task: McpTask, log: LogRecord, *, previous: bool) -> list[str]:
        """Lines that are kept of an attempt."""
        if previous and log.attempt == task.status.attempts:
            raise CliError(f"task {self.name} keeps the log of its last attempt and no other: leave --previous out")
        found = await self.kept.read(log, self.cluster.namespace, task.uid)
        if found.note is not None and not found.text:
            raise CliError(f"task {self.name}: {found.note}")
        if found.note is not None:
            tell(f"task {self.name}: {found.note}")
        return self._last(found.text.splitlines())

    def _last(self, lines: list[str]) -> list[str]:
        return lines if self.tail is None else lines[len(lines) - min(self.tail, len(lines)) :]

    async def follow(self) -> AsyncIterator[str]:
        """Lines as they come, attempt after attempt, until the task has ended. Raises CliError for an unknown task."""
        task = await self.cluster.task(self.name)
        left = await self._left_of_worker(task)
        if left is None:
            async for line in self._follow_attempts():
                yield line
            return
        for line in await self._recorded(task, left, previous=False):
            yield line

    async def _follow_attempts(self) -> AsyncIterator[str]:
        read: set[str] = set()
        while True:
            task = await self._current()
            ended = task is None or task.terminal
            tail = None if read else self.tail
            if task is not None and (log := self._unread_in_worker(task, read)) is not None:
                read.add(f"{log.pod}/{log.attempt}")
                async for line in log.follow(self._current, tail):
                    yield line
                continue
            attempt = self._next(await self._own_attempts(), read)
            if attempt is not None:
                async for line in log_of(self.cluster.kube, self.cluster.namespace, attempt, follow=True, tail=tail):
                    yield line
                read.add(attempt.name)
            elif ended:
                if task is not None and task.status.log is not None and not read and not runs_in_worker(task):
                    for line in await self._recorded(task, task.status.log, previous=False):
                        yield line
                return
            else:
                await asyncio.sleep(POLL_SECONDS)

    def _unread_in_worker(self, task: McpTask, read: set[str]) -> WorkerLog | None:
        """The log of the attempt that a worker has, or had last, unless it has been shown."""
        log = WorkerLog(self.cluster, task)
        return log if runs_in_worker(task) and f"{log.pod}/{log.attempt}" not in read else None

    async def _left_of_worker(self, task: McpTask) -> LogRecord | None:
        """What is kept of a task that has ended in a worker whose Pod is gone."""
        log, attempt = task.status.log, task.status.attempts or 1
        if not task.terminal or not runs_in_worker(task) or log is None or log.attempt != attempt:
            return None
        pod = str(task.status.pod_name)
        lines = await lines_in_worker(self.cluster.kube, self.cluster.namespace, self.name, attempt, pod)
        return None if lines else log

    async def _own_attempts(self) -> list[Attempt]:
        """The Pods that run the task and nothing else. A worker's may have been given to its Job."""
        found = await attempts_of(self.cluster.kube, self.cluster.namespace, self.name)
        return [attempt for attempt in found if not attempt.is_worker]

    @staticmethod
    def _next(attempts: list[Attempt], read: set[str]) -> Attempt | None:
        """The attempt to read next: all in their order, but the last one only at first."""
        unread = [attempt for attempt in attempts if attempt.name not in read]
        if not read:
            unread = unread[-1:]
        return next((attempt for attempt in unread if attempt.started), None)

    async def _current(self) -> McpTask | None:
        """The task; None once it is gone."""
        try:
            return parse_task(await self.cluster.kube.get(MCP_TASKS, self.name, self.cluster.namespace))
        except NotFoundError:
            return None


@dataclass
class WorkerLog:
    """What one attempt prints in a worker. That one's log does not end with the task, and tells of others too."""

    cluster: ClusterSession
    task: McpTask
    shown: int = 0

    @property
    def attempt(self) -> int:
        return self.task.status.attempts or 1

    @property
    def pod(self) -> str:
        return str(self.task.status.pod_name)

    async def follow(self, current: Callable[[], Awaitable[McpTask | None]], tail: int | None) -> AsyncIterator[str]:
        """Lines as they come until the attempt is over; of those that are there already, the last `tail`."""
        skipped = 0 if tail is None else max(len(await self._all()) - tail, 0)
        lines: asyncio.Queue[str] = asyncio.Queue()
        reading = asyncio.create_task(self._read(lines))
        try:
            while (last := await current()) is not None and self._goes_on(last):
                async for line in _arriving(lines, POLL_SECONDS):
                    self.shown += 1
                    if self.shown > skipped:
                        yield line
        finally:
            reading.cancel()
            await asyncio.wait([reading])
        # What has not come by the stream yet: the attempt is over, so that all of it is there.
        for line in (await self._all(last))[max(self.shown, skipped) :]:
            yield line

    def _goes_on(self, task: McpTask) -> bool:
        status = task.status
        return not task.terminal and (status.attempts or 1, status.pod_name) == (self.attempt, self.pod)

    async def _read(self, lines: asyncio.Queue[str]) -> None:
        """Put each line there as it comes, for ever: a stream that breaks is begun anew, where it stopped."""
        count = 0
        while True:
            passed = 0
            with suppress(KubeError):
                async for text in self._stream():
                    passed += 1
                    if passed > count:
                        lines.put_nowait(text)
            count = max(count, passed)
            await asyncio.sleep(POLL_SECONDS)

    async def _stream(self) -> AsyncIterator[str]:
        reader = TaskLineReader(self.task.name, self.attempt)
        found = Attempt(await self.cluster.kube.get(PODS, self.pod, self.cluster.namespace))
        async for line in log_of(self.cluster.kube, self.cluster.namespace, found, follow=True):
            if (text := reader.feed(line)) is not None:
                yield text

    async def _all(self, task: McpTask | None = None) -> list[str]:
        """All lines so far; what the task has kept of them where the worker is gone."""
        found = await lines_in_worker(self.cluster.kube, self.cluster.namespace, self.task.name, self.attempt, self.pod)
        return found or ([] if task is None else _recorded_lines(task, self.attempt))


async def _arriving(lines: asyncio.Queue[str], seconds: float) -> AsyncIterator[str]:
    """What is put into the queue in this time."""
    until = asyncio.get_running_loop().time() + seconds
    while True:
        try:
            async with asyncio.timeout_at(until):
                line = await lines.get()
        except TimeoutError:
            return
        yield line


def _recorded_lines(task: McpTask, attempt: int) -> list[str]:
    """What the worker has handed in at the attempt's end: its Pod is gone."""
    log = task.status.log
    if log is None or log.attempt != attempt:
        return []
    try:
        return log_text(log).splitlines()
    except ValueError:
        return []


def _why(task: McpTask) -> str:
    status = task.status
    if task.terminal:
        return f"it is {task.phase} ({status.reason or 'no reason'}) and its Pod is gone or never was"
    return status.message or "the operator has not made one yet; is it running?"
