"""The options of commands that say which cluster and namespace they are about, and what can be completed there."""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from mcptasks.cli.cluster_session import ClusterOptions, open_cluster
from mcptasks.cli.command_errors import CliError
from mcptasks.kube.access import ClusterAccess
from mcptasks.kube.errors import KubeConfigError, KubeError
from mcptasks.kube.kinds import NAMESPACES

COMPLETION_SECONDS = 2.0
"""Whoever presses Tab waits for the answer."""

Ask: TypeAlias = Callable[[ClusterOptions], Coroutine[Any, Any, Sequence[str]]]


def completed(context: typer.Context, incomplete: str, ask: Ask) -> list[str]:
    """What begins so of what the cluster says; nothing where it does not answer: a shell has no place for an error."""
    params = context.params
    options = ClusterOptions(params.get("kubeconfig"), params.get("context"), params.get("namespace"))
    try:
        # The kubernetes package prints what it does not find, in the middle of the user's line.
        with contextlib.redirect_stderr(io.StringIO()):
            found = asyncio.run(asyncio.wait_for(ask(options), COMPLETION_SECONDS))
    except (CliError, KubeConfigError, KubeError, TimeoutError):
        return []
    return [word for word in sorted(found) if word.startswith(incomplete)]


def complete_namespace(context: typer.Context, incomplete: str) -> list[str]:
    """Names of namespaces that begin so."""
    return completed(context, incomplete, _namespaces)


def complete_context(context: typer.Context, incomplete: str) -> list[str]:
    """Names of the kubeconfig's contexts that begin so."""
    return completed(context, incomplete, _contexts)


async def _namespaces(options: ClusterOptions) -> Sequence[str]:
    async with open_cluster(options) as cluster:
        return [str(item["metadata"]["name"]) for item in (await cluster.kube.list(NAMESPACES)).items]


async def _contexts(options: ClusterOptions) -> Sequence[str]:
    return ClusterAccess(options.kubeconfig).context_names()


KubeconfigOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--kubeconfig",
        metavar="FILE",
        help="Kubeconfig file; by default KUBECONFIG, that of a `mcptasks dev` here, or ~/.kube/config.",
    ),
]
ContextOption: TypeAlias = Annotated[
    str | None, typer.Option("--context", help="Context of the kubeconfig.", autocompletion=complete_context)
]
NamespaceOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--namespace", "-n", help="Namespace; by default that of the context.", autocompletion=complete_namespace
    ),
]
