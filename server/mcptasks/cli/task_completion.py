"""Names of tasks and templates for the shell to complete."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import typer

from mcptasks.cli.cluster_options import completed
from mcptasks.cli.cluster_session import ClusterOptions, open_cluster
from mcptasks.kube.kinds import MCP_TASK_TEMPLATES, MCP_TASKS, Resource


def complete_task(context: typer.Context, incomplete: str) -> list[str]:
    """Names of tasks that begin so."""
    return _complete(context, incomplete, MCP_TASKS, "names")


def complete_template(context: typer.Context, incomplete: str) -> list[str]:
    """Names of templates that begin so."""
    return _complete(context, incomplete, MCP_TASK_TEMPLATES, "templates")


def _complete(context: typer.Context, incomplete: str, resource: Resource, argument: str) -> list[str]:
    given = context.params.get(argument) or ()
    return [name for name in completed(context, incomplete, partial(_names, resource)) if name not in given]


async def _names(resource: Resource, options: ClusterOptions) -> Sequence[str]:
    async with open_cluster(options) as cluster:
        listed = await cluster.kube.list(resource, cluster.namespace)
    return [str(item["metadata"]["name"]) for item in listed.items]
