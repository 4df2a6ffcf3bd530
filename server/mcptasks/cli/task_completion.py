"""Names of tasks and templates for the shell to complete."""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import Sequence

import typer

from mcptasks.cli.cluster_session import ClusterOptions, open_cluster
from mcptasks.cli.command_errors import CliError
from mcptasks.kube.errors import KubeConfigError, KubeError
from mcptasks.kube.kinds import MCP_TASK_TEMPLATES, MCP_TASKS, Resource

COMPLETION_SECONDS = 2.0
"""Whoever presses Tab waits for the answer."""


def complete_task(context: typer.Context, incomplete: str) -> list[str]:
    """Names of tasks that begin so."""
    return _complete(context, incomplete, MCP_TASKS, "names")


def complete_template(context: typer.Context, incomplete: str) -> list[str]:
    """Names of templates that begin so."""
    return _complete(context, incomplete, MCP_TASK_TEMPLATES, "templates")


def _complete(context: typer.Context, incomplete: str, resource: Resource, argument: str) -> list[str]:
    """None where the cluster does not answer: a shell has no place for an error."""
    params = context.params
    options = ClusterOptions(params.get("kubeconfig"), params.get("context"), params.get("namespace"))
    try:
        # The kubernetes package prints what it does not find, in the middle of the user's line.
        with contextlib.redirect_stderr(io.StringIO()):
            names = asyncio.run(asyncio.wait_for(_names(options, resource), COMPLETION_SECONDS))
    except (CliError, KubeConfigError, KubeError, TimeoutError):
        return []
    given = params.get(argument) or ()
    return [name for name in names if name.startswith(incomplete) and name not in given]


async def _names(options: ClusterOptions, resource: Resource) -> Sequence[str]:
    async with open_cluster(options) as cluster:
        listed = await cluster.kube.list(resource, cluster.namespace)
    return sorted(str(item["metadata"]["name"]) for item in listed.items)
