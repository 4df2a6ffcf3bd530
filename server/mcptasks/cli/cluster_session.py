"""What the commands that work on a cluster share: options, a connection, and readable errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeAlias, TypeVar

import typer

from mcptasks.cli.command_errors import CliError, ExitCode, as_cli_error
from mcptasks.cli.command_settings import load_settings
from mcptasks.kube.access import ClusterAccess
from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.errors import KubeConfigError, KubeError, NotFoundError, UnavailableError
from mcptasks.kube.kinds import MCP_TASKS
from mcptasks.kube.task_objects import parse_task
from mcptasks.model.task import McpTask

T = TypeVar("T")

KubeconfigOption: TypeAlias = Annotated[
    Path | None,
    typer.Option("--kubeconfig", metavar="FILE", help="Kubeconfig file; by default KUBECONFIG or ~/.kube/config."),
]
ContextOption: TypeAlias = Annotated[str | None, typer.Option("--context", help="Context of the kubeconfig.")]
NamespaceOption: TypeAlias = Annotated[
    str | None, typer.Option("--namespace", "-n", help="Namespace; by default that of the context.")
]


@dataclass(frozen=True)
class ClusterOptions:
    """Which cluster and namespace a command is about."""

    kubeconfig: Path | None = None
    context: str | None = None
    namespace: str | None = None


@dataclass(frozen=True)
class ClusterSession:
    """A connection to a cluster, and the namespace that a command is about."""

    kube: KubeClient
    namespace: str

    async def task(self, name: str) -> McpTask:
        """The task. Raises CliError where there is none."""
        try:
            return parse_task(await self.kube.get(MCP_TASKS, name, self.namespace))
        except NotFoundError as error:
            raise await self.explain_missing(error, name) from error

    async def explain_missing(self, error: NotFoundError, name: str | None = None) -> CliError:
        """The error for a task that is not there, or for a cluster that does not know tasks at all."""
        if not await self.kube.serves(MCP_TASKS):
            return CliError(
                f"the cluster at {self.kube.host} does not know McpTasks; install them with "
                "`mcptasks crds | kubectl apply -f -`"
            )
        if name is None:
            return CliError(str(error))
        return CliError(f"there is no task {name!r} in namespace {self.namespace}; see `mcptasks get -A`")


@asynccontextmanager
async def open_cluster(options: ClusterOptions) -> AsyncIterator[ClusterSession]:
    """The cluster that the options, the settings or the kubeconfig name."""
    settings = load_settings(kubeconfig=options.kubeconfig, context=options.context, namespace=options.namespace)
    access = ClusterAccess(settings.kubeconfig, settings.context)
    async with await access.connect("mcptasks-cli") as kube:
        yield ClusterSession(kube, settings.namespace or access.namespace())


def on_each_task(
    options: ClusterOptions, names: Sequence[str], work: Callable[[ClusterSession, str], Awaitable[None]]
) -> None:
    """Do the work for one task after another, and report those for which it fails.

    Raises typer.Exit where there were any.
    """

    async def run(cluster: ClusterSession) -> bool:
        complete = True
        for name in names:
            try:
                await work(cluster, name)
            except CliError as error:
                typer.echo(f"Error: {error}", err=True)
                complete = False
        return complete

    if not on_cluster(options, run):
        raise typer.Exit(1)


def on_cluster(options: ClusterOptions, work: Callable[[ClusterSession], Awaitable[T]]) -> T:
    """Do the work on the cluster; errors of the API server become errors of the command."""

    async def run() -> T:
        async with open_cluster(options) as cluster:
            return await work(cluster)

    with as_cli_error(KubeConfigError, exit_code=ExitCode.USAGE):
        try:
            return asyncio.run(run())
        except UnavailableError as error:
            raise CliError(f"{error}; is the cluster up, and is --kubeconfig the right one?") from error
        except KubeError as error:
            raise CliError(str(error)) from error
