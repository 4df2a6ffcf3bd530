"""`mcptasks delete`: tasks and everything that belongs to them."""

from __future__ import annotations

from typing import Annotated

import typer

from mcptasks.cli.cluster_options import ContextOption, KubeconfigOption, NamespaceOption
from mcptasks.cli.cluster_session import ClusterOptions, ClusterSession
from mcptasks.cli.task_completion import complete_task
from mcptasks.cli.task_selection import AllNamespacesOption, AllOption, SelectorOption, TaskSelection, on_each_task
from mcptasks.kube.errors import NotFoundError
from mcptasks.kube.kinds import MCP_TASKS
from mcptasks.model.base import GROUP


def command(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Tasks to delete; prefixes that only one has will do.", autocompletion=complete_task),
    ] = None,
    selector: SelectorOption = None,
    all_tasks: AllOption = False,
    all_namespaces: AllNamespacesOption = False,
    namespace: NamespaceOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Delete tasks with their Jobs, Pods and results; running ones are ended.

    \b
    Example:
      mcptasks delete report-x5b2c7
      mcptasks delete --all -n old-project
    """
    options = ClusterOptions(kubeconfig, context, namespace)
    on_each_task(options, TaskSelection(names or (), selector, all_tasks, all_namespaces), _delete, changes=True)


async def _delete(cluster: ClusterSession, name: str) -> None:
    try:
        await cluster.kube.delete(MCP_TASKS, name, cluster.namespace)
    except NotFoundError as error:
        raise await cluster.explain_missing(error, name) from error
    typer.echo(f'mcptask.{GROUP} "{name}" deleted from {cluster.namespace} namespace')
