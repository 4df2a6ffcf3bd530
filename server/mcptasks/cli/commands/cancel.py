"""`mcptasks cancel`: tasks whose processes end and whose records stay."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Annotated

import typer

from mcptasks.cli.cluster_options import ContextOption, KubeconfigOption, NamespaceOption
from mcptasks.cli.cluster_session import ClusterOptions, ClusterSession
from mcptasks.cli.command_errors import CliError, as_cli_error
from mcptasks.cli.durations import parse_duration
from mcptasks.cli.task_completion import complete_task
from mcptasks.cli.task_selection import AllNamespacesOption, AllOption, SelectorOption, TaskSelection, on_each_task
from mcptasks.cli.task_watch import follow_task
from mcptasks.diagnostics.visible_text import visible_line
from mcptasks.kube.kinds import MCP_TASKS
from mcptasks.model.base import GROUP
from mcptasks.model.exit_codes import ExitCode
from mcptasks.model.lifecycle import pods_are_gone, seconds_until_pods_gone
from mcptasks.model.task import McpTask


def command(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Tasks to cancel; prefixes that only one has will do.", autocompletion=complete_task),
    ] = None,
    selector: SelectorOption = None,
    all_tasks: AllOption = False,
    all_namespaces: AllNamespacesOption = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until their Pods are gone, and say how long it took.")
    ] = False,
    timeout: Annotated[str, typer.Option(metavar="DURATION", help="How long --wait waits.")] = "2m",
    namespace: NamespaceOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Cancel tasks: their processes get SIGTERM, after the grace period SIGKILL; their records stay until their ttl.

    \b
    Example:
      mcptasks cancel report-x5b2c7 --wait
      mcptasks cancel -l mcptasks.dev/component=report
    """
    with as_cli_error(ValueError, exit_code=ExitCode.USAGE):
        seconds = parse_duration(timeout).total_seconds()
    options = ClusterOptions(kubeconfig, context, namespace)
    selection = TaskSelection(names or (), selector, all_tasks, all_namespaces)
    work = partial(_cancel, wait_seconds=seconds if wait else None)
    on_each_task(options, selection, work, wanted=lambda task: not task.terminal, changes=True)


async def _cancel(cluster: ClusterSession, name: str, wait_seconds: float | None) -> None:
    task = await cluster.task(name)
    if task.terminal:
        raise CliError(f"task {name} has ended already ({task.phase}): there is nothing to cancel")
    await cluster.kube.patch(MCP_TASKS, name, {"spec": {"cancel": True}}, cluster.namespace)
    if wait_seconds is None:
        typer.echo(f"mcptask.{GROUP}/{name} cancel requested")
        return
    try:
        async with asyncio.timeout(wait_seconds):
            ended = await _until_gone(cluster, name)
    except TimeoutError:
        raise CliError(
            f"task {name} still has Pods after {wait_seconds:g} s; is the operator running? "
            f"See `mcptasks describe {name}`"
        ) from None
    if ended is None:
        typer.echo(f"mcptask.{GROUP}/{name} was deleted meanwhile")
    else:
        typer.echo(f"mcptask.{GROUP}/{name} {ended.phase}; {visible_line(termination(ended))}")


async def _until_gone(cluster: ClusterSession, name: str) -> McpTask | None:
    async for task in follow_task(cluster, name):
        if task.terminal and pods_are_gone(task):
            return task
    return None


def termination(task: McpTask) -> str:
    """When the task's Pods were gone, counted from its end, in words."""
    seconds = seconds_until_pods_gone(task)
    return "its Pods are gone" if seconds is None else f"its Pods were gone after {seconds:.2f} s"
