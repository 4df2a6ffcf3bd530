"""`mcptasks logs`: what a task's tool printed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Annotated

import typer

from mcptasks.cli.cluster_session import (
    ClusterOptions,
    ClusterSession,
    ContextOption,
    KubeconfigOption,
    NamespaceOption,
    on_cluster,
)
from mcptasks.cli.command_errors import CliError, usage_error
from mcptasks.cli.task_completion import complete_task
from mcptasks.cli.terminal_text import show
from mcptasks.kube.errors import NotFoundError
from mcptasks.kube.kinds import MCP_TASKS
from mcptasks.kube.task_attempts import Attempt, attempts_of, lines_in_worker, log_of, runs_in_worker
from mcptasks.kube.task_objects import parse_task
from mcptasks.model.log_records import log_text
from mcptasks.model.task import LogRecord, McpTask

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
    log = TaskLog(found.cluster, found.name, tail)
    lines = log.follow() if follow else log.read(previous)
    async for line in lines:
        show(line)


@dataclass(frozen=True)
class TaskLog:
    """The log of a task over its attempts. `tail` limits what is shown of the first attempt read."""

    cluster: ClusterSession
    name: str
    tail: int | None = None

    async def read(self, previous: bool) -> AsyncIterator[str]:
        """Lines of the last attempt, or of the one before. Raises CliError where there is none."""
        task = await self.cluster.task(self.name)
        if task.status.log is not None and (previous or task.status.log.attempt == task.status.attempts):
            for line in self._recorded(task, task.status.log, previous=previous):
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

    def _recorded(self, task: McpTask, log: LogRecord, *, previous: bool) -> list[str]:
        """Lines of an attempt whose worker has handed them in: its own log tells of other tasks too, or is gone."""
        if previous and log.attempt == task.status.attempts:
            raise CliError(f"task {self.name} keeps the log of its last attempt and no other: leave --previous out")
        try:
            return self._last(log_text(log).splitlines())
        except ValueError as error:
            raise CliError(f"task {self.name}: {error}") from error

    def _last(self, lines: list[str]) -> list[str]:
        return lines if self.tail is None else lines[len(lines) - min(self.tail, len(lines)) :]

    async def follow(self) -> AsyncIterator[str]:
        """Lines as they come, attempt after attempt, until the task has ended. Raises CliError for an unknown task."""
        await self.cluster.task(self.name)
        read: set[str] = set()
        workers = WorkerLogs(self.cluster, self.name)
        while True:
            task = await self._current()
            ended = task is None or task.terminal
            if task is not None and (runs_in_worker(task) or workers.read_before):
                for line in await workers.news(task, None if workers.read_before else self.tail):
                    yield line
                if ended:
                    return
                await asyncio.sleep(POLL_SECONDS)
                continue
            attempt = self._next(await attempts_of(self.cluster.kube, self.cluster.namespace, self.name), read)
            if attempt is not None:
                async for line in log_of(
                    self.cluster.kube, self.cluster.namespace, attempt, follow=True, tail=None if read else self.tail
                ):
                    yield line
                read.add(attempt.name)
            elif ended:
                return
            else:
                await asyncio.sleep(POLL_SECONDS)

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
class WorkerLogs:
    """What a task prints in workers, from one look to the next.

    A worker's log does not end with the task, so that it is read anew for each look.
    """

    cluster: ClusterSession
    name: str
    _pods: dict[int, str] = field(default_factory=dict)
    _shown: dict[int, int] = field(default_factory=dict)

    @property
    def read_before(self) -> bool:
        return bool(self._pods)

    async def news(self, task: McpTask, tail: int | None) -> list[str]:
        """Lines since the last look, those of the attempt before included; the last `tail` of them at the first."""
        if task.status.pod_name is not None:
            self._pods[task.status.attempts or 1] = task.status.pod_name
        found: list[str] = []
        for attempt, pod in sorted(self._pods.items())[-2:]:
            lines = await lines_in_worker(
                self.cluster.kube, self.cluster.namespace, self.name, attempt, pod
            ) or _recorded_lines(task, attempt)
            found += lines[self._shown.get(attempt, 0) :]
            self._shown[attempt] = max(len(lines), self._shown.get(attempt, 0))
        return found if tail is None else found[len(found) - min(tail, len(found)) :]


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
