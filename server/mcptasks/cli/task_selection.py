"""Which tasks a command is about: named, by a label selector, or all of a namespace."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, TypeAlias

import typer

from mcptasks.cli.cluster_session import ClusterOptions, ClusterSession, on_cluster
from mcptasks.cli.colours import coloured
from mcptasks.cli.command_errors import CliError, usage_error
from mcptasks.diagnostics.visible_text import visible
from mcptasks.kube.errors import NotFoundError
from mcptasks.kube.kinds import MCP_TASKS
from mcptasks.kube.task_objects import parse_task
from mcptasks.model.task import McpTask

SelectorOption: TypeAlias = Annotated[
    str | None, typer.Option("--selector", "-l", help="Label selector, for example mcptasks.dev/server=default.")
]
AllOption: TypeAlias = Annotated[bool, typer.Option("--all", help="All tasks of the namespace.")]


@dataclass(frozen=True)
class TaskSelection:
    """Names of tasks, a label selector, or all of them: one of the three."""

    names: Sequence[str] = ()
    label_selector: str | None = None
    all_tasks: bool = False

    def check(self) -> None:
        """Raises CliError unless exactly one way to select is used."""
        ways = sum((bool(self.names), bool(self.label_selector), self.all_tasks))
        if ways == 0:
            raise usage_error("name tasks, or select them with -l or --all")
        if ways > 1:
            raise usage_error("name tasks or select them with -l or --all: one of the three")

    async def find(self, cluster: ClusterSession, wanted: Callable[[McpTask], bool]) -> Sequence[str]:
        """Names as they were given, or those of the selected tasks that are wanted. Raises CliError, KubeError."""
        if self.names:
            return self.names
        try:
            listed = await cluster.kube.list(MCP_TASKS, cluster.namespace, label_selector=self.label_selector)
        except NotFoundError as error:
            raise await cluster.explain_missing(error) from error
        return [task.name for task in map(parse_task, listed.items) if wanted(task)]


def on_each_task(
    options: ClusterOptions,
    selection: TaskSelection,
    work: Callable[[ClusterSession, str], Awaitable[None]],
    wanted: Callable[[McpTask], bool] = lambda _task: True,
    *,
    changes: bool = False,
) -> None:
    """Do the work for one task after another, and report those for which it fails.

    Of tasks that are not named, those count that are wanted. `changes` says that the work is not just to look. Raises
    typer.Exit where it failed for any.
    """
    selection.check()

    async def run(cluster: ClusterSession) -> bool:
        complete = True
        names = await selection.find(cluster, wanted)
        if not names:
            typer.echo(f"No tasks to do that for in {cluster.namespace} namespace.", err=True)
        for name in names:
            try:
                found = await cluster.find(name)
                await work(found.cluster, found.name)
            except CliError as error:
                typer.echo(f"{coloured('Error:', 'red', sys.stderr)} {visible(str(error))}", err=True)
                complete = False
        return complete

    if not on_cluster(options, run, changes=changes):
        raise typer.Exit(1)
