"""`mcptasks delete`: tasks with all that belongs to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from mcptasks.cli.cluster import (
    Cluster,
    ClusterOptions,
    ContextOption,
    KubeconfigOption,
    NamespaceOption,
    on_cluster,
)
from mcptasks.kube.errors import NotFoundError
from mcptasks.kube.resources import MCP_TASKS
from mcptasks.resources import GROUP


def command(
    names: Annotated[list[str], typer.Argument(help="Tasks to delete.")],
    namespace: NamespaceOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Delete tasks with their Jobs, Pods and results; running ones are ended.

    \b
    Example:
      mcptasks delete report-x5b2c7
    """
    options = ClusterOptions(kubeconfig, context, namespace)
    if not on_cluster(options, lambda cluster: _delete(cluster, names)):
        raise typer.Exit(1)


async def _delete(cluster: Cluster, names: Sequence[str]) -> bool:
    """Whether all were there to be deleted."""
    complete = True
    for name in names:
        try:
            await cluster.kube.delete(MCP_TASKS, name, cluster.namespace)
        except NotFoundError as error:
            typer.echo(f"Error: {await cluster.explain_missing(error, name)}", err=True)
            complete = False
        else:
            typer.echo(f'mcptask.{GROUP} "{name}" deleted from {cluster.namespace} namespace')
    return complete
