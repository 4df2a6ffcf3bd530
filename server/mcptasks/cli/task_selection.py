"""Which tasks a command is about: named, by a label selector, or all of a namespace."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, TypeAlias

import typer

from mcptasks.cli.cluster_session import (
    ClusterOptions,
    ClusterSession,
    TaskPlace,
    TaskReference,
    on_cluster,
)
from mcptasks.cli.command_errors import CliError, usage_error
from mcptasks.cli.error_lines import tell_error
from mcptasks.kube.errors import KubeError, NotFoundError, UnavailableError
from mcptasks.kube.kinds import MCP_TASKS
from mcptasks.kube.task_objects import parse_task
from mcptasks.model.task import McpTask

SelectorOption: TypeAlias = Annotated[
    str | None, typer.Option("--selector", "-l", help="Label selector, for example mcptasks.dev/server=default.")
]
AllOption: TypeAlias = Annotated[bool, typer.Option("--all", help="All tasks of the namespace.")]
AllNamespacesOption: TypeAlias = Annotated[
    bool, typer.Option("--all-namespaces", "-A", help="Tasks of all namespaces, with -l or --all.")
]


@dataclass(frozen=True)
class TaskSelection:
    """Names of tasks, a label selector, or all of them: one of the three."""

    names: Sequence[str] = ()
    label_selector: str | None = None
    all_tasks: bool = False
    all_namespaces: bool = False

    def check(self) -> None:
        """Raises CliError unless exactly one way to select is used."""
        ways = sum((bool(self.names), bool(self.label_selector), self.all_tasks))
        if ways == 0:
            raise usage_error("name tasks, or select them with -l or --all")
        if ways > 1:
            raise usage_error("name tasks or select them with -l or --all: one of the three")
        if self.names and self.all_namespaces:
            raise usage_error("a task's name needs one namespace: use -n instead of -A")

    async def find(self, cluster: ClusterSession, wanted: Callable[[McpTask], bool]) -> Sequence[str]:
        """Names as they were given, or those of the selected tasks that are wanted. Raises CliError, KubeError."""
        if self.names:
            return self.names
        try:
            namespace = None if self.all_namespaces else cluster.namespace
            listed = await cluster.kube.list(MCP_TASKS, namespace, label_selector=self.label_selector)
        except NotFoundError as error:
            raise await cluster.explain_missing(error) from error
        found = [task for task in map(parse_task, listed.items) if wanted(task)]
        if self.all_namespaces:
            return [str(TaskReference(task.name, task.namespace)) for task in found]
        return [task.name for task in found]


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

    if not on_cluster(options, lambda cluster: each_task(cluster, selection, work, wanted), changes=changes):
        raise typer.Exit(1)


async def each_task(
    cluster: ClusterSession,
    selection: TaskSelection,
    work: Callable[[ClusterSession, str], Awaitable[None]],
    wanted: Callable[[McpTask], bool],
) -> bool:
    """Whether the work was done for all. Raises UnavailableError where the cluster does not answer any more."""
    complete = True
    names = await selection.find(cluster, wanted)
    if not names:
        where = "any namespace" if selection.all_namespaces else f"{cluster.namespace} namespace"
        typer.echo(f"No tasks to do that for in {where}.", err=True)
    for name in names:
        try:
            found = await cluster.find(name) if selection.names else exactly(cluster, name)
            await work(found.cluster, found.name)
        except UnavailableError:
            raise
        except (CliError, KubeError) as error:
            tell_error(error)
            complete = False
    return complete


def exactly(cluster: ClusterSession, name: str) -> TaskPlace:
    """A task that was listed: where it is gone meanwhile, no other one is meant, though its name may begin so."""
    reference = TaskReference.parse(name)
    return TaskPlace(cluster.beside(reference), reference.name)
