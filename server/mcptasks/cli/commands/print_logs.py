"""`mcptasks logs`: what a task's tool printed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
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
from mcptasks.cli.task_attempts import Attempt, attempts_of, log_of
from mcptasks.cli.task_completion import complete_task
from mcptasks.cli.terminal_text import show
from mcptasks.kube.errors import NotFoundError
from mcptasks.kube.kinds import MCP_TASKS
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
        attempts = await attempts_of(self.cluster, self.name)
        if not attempts:
            raise CliError(f"task {self.name} has no Pod: {_why(task)}")
        if previous and len(attempts) < 2:
            raise CliError(f"task {self.name} has had one attempt only: leave --previous out")
        attempt = attempts[-2 if previous else -1]
        if not attempt.started:
            raise CliError(f"task {self.name} has not started yet ({attempt.outcome()}); -f waits for it")
        async for line in log_of(self.cluster, attempt, tail=self.tail):
            yield line

    def _recorded(self, task: McpTask, log: LogRecord, *, previous: bool) -> list[str]:
        """Lines of an attempt whose worker has handed them in: its own log tells of other tasks too, or is gone."""
        if previous and log.attempt == task.status.attempts:
            raise CliError(f"task {self.name} keeps the log of its last attempt and no other: leave --previous out")
        try:
            lines = log_text(log).splitlines()
        except ValueError as error:
            raise CliError(f"task {self.name}: {error}") from error
        return lines if self.tail is None else lines[len(lines) - min(self.tail, len(lines)) :]

    async def follow(self) -> AsyncIterator[str]:
        """Lines as they come, attempt after attempt, until the task has ended. Raises CliError for an unknown task."""
        await self.cluster.task(self.name)
        read: set[str] = set()
        while True:
            ended = await self._has_ended()
            attempt = self._next(await attempts_of(self.cluster, self.name), read)
            if attempt is not None:
                async for line in log_of(self.cluster, attempt, follow=True, tail=None if read else self.tail):
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

    async def _has_ended(self) -> bool:
        try:
            task = parse_task(await self.cluster.kube.get(MCP_TASKS, self.name, self.cluster.namespace))
        except NotFoundError:
            return True
        return task.terminal


def _why(task: McpTask) -> str:
    status = task.status
    if task.terminal:
        return f"it is {task.phase} ({status.reason or 'no reason'}) and its Pod is gone or never was"
    return status.message or "the operator has not made one yet; is it running?"
