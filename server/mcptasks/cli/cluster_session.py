"""What the commands that work on a cluster share: options, a connection, and readable errors."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import typer

from mcptasks.cli.cluster_choice import ClusterChoice, choose_cluster
from mcptasks.cli.command_errors import CliError, as_cli_error, usage_error
from mcptasks.cli.command_settings import load_settings
from mcptasks.cli.invocation import CalledAs
from mcptasks.kube.access import ClusterAccess
from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.errors import KubeConfigError, KubeError, NotFoundError, UnavailableError
from mcptasks.kube.kinds import MCP_TASKS, is_path_segment
from mcptasks.kube.task_objects import parse_task
from mcptasks.model.base import GROUP
from mcptasks.model.exit_codes import ExitCode
from mcptasks.model.task import McpTask

T = TypeVar("T")

TASK_KINDS = frozenset({"mcptask", "mcptasks", f"mcptask.{GROUP}", f"mcptasks.{GROUP}"})
"""What may stand before a task's name and a slash, as in kubectl."""

SHOWN_MATCHES = 5


@dataclass(frozen=True)
class TaskReference:
    """A task as a command names it, and its namespace where the name says so."""

    name: str
    namespace: str | None = None

    @classmethod
    def parse(cls, given: str) -> TaskReference:
        """What is given is the name, or what `get -o name` prints, with `-A` or without.

        That is `mcptask.mcptasks.dev/report-x5b2c7`, and with `-A` the namespace and a slash before it. Raises CliError
        for what cannot be a name: an empty one would stand for all tasks.
        """
        before, slash, name = given.rpartition("/")
        namespace, _, kind = before.rpartition("/")
        reference = cls(name, namespace or None) if slash and kind.lower() in TASK_KINDS else cls(given)
        if not all(is_path_segment(part) for part in (reference.name, reference.namespace) if part is not None):
            raise usage_error(f"{given!r} is not the name of a task; see `mcptasks get -A`")
        return reference

    def __str__(self) -> str:
        """The reference as `get -o name` prints it."""
        return f"{f'{self.namespace}/' if self.namespace else ''}mcptask.{GROUP}/{self.name}"


def matching(names: Sequence[str], prefix: str) -> list[str]:
    """The names that begin with the prefix, sorted; none for an empty one."""
    return sorted(name for name in names if prefix and name.startswith(prefix))


@dataclass(frozen=True)
class ClusterOptions:
    """Which cluster and namespace a command is about."""

    kubeconfig: Path | None = None
    context: str | None = None
    namespace: str | None = None


@dataclass(frozen=True)
class ClusterSession:
    """A connection to a cluster, the namespace that a command is about, and why it is this cluster."""

    kube: KubeClient
    namespace: str
    choice: ClusterChoice

    async def task(self, name: str) -> McpTask:
        """The task. Raises CliError where there is none."""
        try:
            return parse_task(await self.kube.get(MCP_TASKS, name, self.namespace))
        except NotFoundError as error:
            raise await self.explain_missing(error, name) from error

    def beside(self, reference: TaskReference) -> ClusterSession:
        """The session for the reference's namespace: this one where it names none."""
        return self if reference.namespace is None else replace(self, namespace=reference.namespace)

    async def find(self, given: str) -> TaskPlace:
        """The task that is meant: by its name, a prefix that only it has, or what `get -o name` prints.

        Raises CliError where several tasks begin so, and where there is none.
        """
        reference = TaskReference.parse(given)
        cluster, name = self.beside(reference), reference.name
        try:
            await cluster.kube.get(MCP_TASKS, name, cluster.namespace)
        except NotFoundError as error:
            if not name or not await self.kube.serves(MCP_TASKS):
                raise await cluster.explain_missing(error, given) from error
            return TaskPlace(cluster, await cluster._only_match(name, error))
        return TaskPlace(cluster, name)

    async def _only_match(self, prefix: str, error: NotFoundError) -> str:
        listed = await self.kube.list(MCP_TASKS, self.namespace)
        names = matching([str(item["metadata"]["name"]) for item in listed.items], prefix)
        if not names:
            raise await self.explain_missing(error, prefix) from error
        if len(names) > 1:
            more = "" if len(names) <= SHOWN_MATCHES else f" and {len(names) - SHOWN_MATCHES} more"
            raise CliError(f"{len(names)} tasks begin with {prefix!r}: {', '.join(names[:SHOWN_MATCHES])}{more}")
        return names[0]

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


@dataclass(frozen=True)
class TaskPlace:
    """An existing task, and the session for its namespace."""

    cluster: ClusterSession
    name: str


@asynccontextmanager
async def open_cluster(options: ClusterOptions) -> AsyncIterator[ClusterSession]:
    """The cluster that the options, the settings or KUBECONFIG name, else that of a running `dev`, else the default.

    For kubectl's plugin it is the one that kubectl would take: neither our settings nor a `dev` count there.
    """
    choice, namespace = _chosen(options, CalledAs.of(sys.argv[0]))
    try:
        connecting = await choice.access.connect("mcptasks-cli")
    except KubeConfigError as error:
        if choice.advice:
            raise KubeConfigError(f"{error}; {choice.advice}") from error
        raise
    async with connecting as kube:
        yield ClusterSession(kube, namespace or choice.access.namespace(), choice)


def _chosen(options: ClusterOptions, called_as: CalledAs) -> tuple[ClusterChoice, str | None]:
    """The cluster, and the namespace where anything but the kubeconfig names one."""
    if called_as is CalledAs.PLUGIN:
        return ClusterChoice(ClusterAccess(options.kubeconfig, options.context), by_kubectl=True), options.namespace
    settings = load_settings(kubeconfig=options.kubeconfig, context=options.context, namespace=options.namespace)
    choice = choose_cluster(
        ClusterAccess(settings.kubeconfig, settings.context),
        by_option=options.kubeconfig is not None or options.context is not None,
        environment=os.environ,
        directory=_current_directory(),
        home=Path.home(),
    )
    return choice, settings.namespace


def _current_directory() -> Path:
    """The current directory; the root where that has been removed."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        return Path("/")


def on_cluster(options: ClusterOptions, work: Callable[[ClusterSession], Awaitable[T]], *, changes: bool = False) -> T:
    """Do the work on the cluster; errors of the API server become errors of the command.

    Which cluster it is, is said first unless the user knows: where a `dev` runs here and no option names the cluster,
    and for work that changes something also elsewhere.
    """

    async def run() -> T:
        async with open_cluster(options) as cluster:
            if cluster.choice.is_told(changes=changes):
                typer.echo(f"cluster: {cluster.choice.described(cluster.kube.host)}", err=True)
            return await work(cluster)

    with as_cli_error(KubeConfigError, exit_code=ExitCode.USAGE):
        try:
            return asyncio.run(run())
        except UnavailableError as error:
            raise CliError(f"{error}; is the cluster up, and is --kubeconfig the right one?") from error
        except KubeError as error:
            raise CliError(str(error)) from error
