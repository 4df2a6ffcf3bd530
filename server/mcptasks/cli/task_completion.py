"""Names of tasks for the shell to complete."""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import Sequence

import typer

from mcptasks.cli.cluster_session import ClusterOptions, open_cluster
from mcptasks.cli.command_errors import CliError
from mcptasks.kube.errors import KubeConfigError, KubeError
from mcptasks.kube.kinds import MCP_TASKS

COMPLETION_SECONDS = 2.0
"""Whoever presses Tab waits for the answer."""


def complete_task(context: typer.Context, incomplete: str) -> list[str]:
    """Names that begin so; none where the cluster does not answer: a shell has no place for an error."""
    params = context.params
    options = ClusterOptions(params.get("kubeconfig"), params.get("context"), params.get("namespace"))
    try:
        # The kubernetes package prints what it does not find, in the middle of the user's line.
        with contextlib.redirect_stderr(io.StringIO()):
            names = asyncio.run(asyncio.wait_for(_names(options), COMPLETION_SECONDS))
    except (CliError, KubeConfigError, KubeError, TimeoutError):
        return []
    given = params.get("names") or ()
    return [name for name in names if name.startswith(incomplete) and name not in given]


async def _names(options: ClusterOptions) -> Sequence[str]:
    async with open_cluster(options) as cluster:
        listed = await cluster.kube.list(MCP_TASKS, cluster.namespace)
    return sorted(str(item["metadata"]["name"]) for item in listed.items)
