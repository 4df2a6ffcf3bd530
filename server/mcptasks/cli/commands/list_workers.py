"""`mcptasks workers`: the workers of warm templates, and what each of them runs."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import typer

from mcptasks.cli.cluster_options import ContextOption, KubeconfigOption, NamespaceOption
from mcptasks.cli.cluster_session import ClusterOptions, ClusterSession, on_cluster
from mcptasks.cli.command_errors import CliError, usage_error
from mcptasks.cli.kubectl_tables import TablePrinter
from mcptasks.cli.task_completion import complete_template
from mcptasks.cli.worker_rows import ListedWorker, WorkerLayout, layout_for, table_of, worker_rows
from mcptasks.diagnostics.visible_text import visible, visible_json
from mcptasks.kube.errors import NotFoundError
from mcptasks.kube.kinds import MCP_TASK_TEMPLATES, MCP_TASKS, PODS
from mcptasks.kube.watch_cache import WatchCache
from mcptasks.model.base import WORKER_SELECTOR, JsonObject
from mcptasks.model.lifecycle import utc_now
from mcptasks.model.task_template import Executor

SETTLE_SECONDS = 0.2
"""How long what has changed may go on changing before it is shown."""


class WorkerFormat(StrEnum):
    """How to print workers."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    NAME = "name"


@dataclass(frozen=True)
class WorkerQuery:
    """Which workers to show: those of the templates that are named, or of all."""

    templates: Sequence[str] = ()
    all_namespaces: bool = False


def command(
    templates: Annotated[
        list[str] | None,
        typer.Argument(help="Templates whose workers to show; all by default.", autocompletion=complete_template),
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Keep running and show every change.")] = False,
    all_namespaces: Annotated[bool, typer.Option("--all-namespaces", "-A", help="Workers of all namespaces.")] = False,
    namespace: NamespaceOption = None,
    output: Annotated[
        WorkerFormat, typer.Option("--output", "-o", help="table, wide, json or name.")
    ] = WorkerFormat.TABLE,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """List the workers of templates with `executor: Warm`, and what each of them runs.

    A worker is starting, idle, busy, draining or failed. DONE counts the tasks that it has run and that are still kept.
    What is too wide for the terminal is left out, the node first. `-o wide` adds callers, and why a worker is not
    ready.

    \b
    Example:
      mcptasks workers warm -w
    """
    if watch and output is WorkerFormat.JSON:
        raise usage_error("-w does not go with -o json")
    query = WorkerQuery(templates or (), all_namespaces)
    options = ClusterOptions(kubeconfig, context, namespace)
    on_cluster(options, lambda cluster: WorkerListing(cluster, query, output).run(watch))


@dataclass(frozen=True)
class WorkerListing:
    """Prints the workers that a query finds."""

    cluster: ClusterSession
    query: WorkerQuery
    output: WorkerFormat

    async def run(self, watch: bool) -> None:
        """Print the workers, and with `watch` every change from then on."""
        templates = await self._templates()
        printer = WorkerPrinter(self.output, self.query.all_namespaces)
        if watch:
            await self._watch(printer)
            return
        rows = await self._rows()
        if self.output is WorkerFormat.JSON:
            items = [row.dump() for row in rows]
            typer.echo(visible_json({"items": items}, indent=4, sort_keys=True))
            return
        if not rows:
            typer.echo(self._none_found(templates), err=True)
        printer.print(rows)
        for note in shortages(templates):
            typer.echo(visible(note), err=True)

    @property
    def _namespace(self) -> str | None:
        return None if self.query.all_namespaces else self.cluster.namespace

    def _none_found(self, templates: Sequence[JsonObject]) -> str:
        where = "" if self.query.all_namespaces else f" in {self.cluster.namespace} namespace"
        if not any(_is_warm(template) for template in templates):
            return f"No workers found{where}: no McpTaskTemplate there has executor Warm"
        return f"No workers found{where}."

    async def _templates(self) -> list[JsonObject]:
        """Those that are asked for. Raises CliError where one of them is not there."""
        try:
            listed = await self.cluster.kube.list(MCP_TASK_TEMPLATES, self._namespace)
        except NotFoundError as error:
            raise await self.cluster.explain_missing(error) from error
        wanted = self.query.templates
        known = {str(item["metadata"]["name"]): item for item in listed.items}
        for name in wanted:
            if name not in known:
                where = "any namespace" if self.query.all_namespaces else f"namespace {self.cluster.namespace}"
                names = ", ".join(sorted(known)) or "none"
                raise CliError(f"there is no McpTaskTemplate {name!r} in {where}; there are: {names}")
        return [item for item in listed.items if not wanted or item["metadata"]["name"] in wanted]

    async def _rows(self) -> list[ListedWorker]:
        kube = self.cluster.kube
        pods = (await kube.list(PODS, self._namespace, label_selector=WORKER_SELECTOR)).items
        tasks = (await kube.list(MCP_TASKS, self._namespace)).items
        return worker_rows(pods, tasks, self.query.templates)

    async def _watch(self, printer: WorkerPrinter) -> None:
        kube, changed = self.cluster.kube, asyncio.Event()
        pods = WatchCache(kube, PODS, self._namespace, WORKER_SELECTOR)
        tasks = WatchCache(kube, MCP_TASKS, self._namespace)
        for cache in (pods, tasks):
            cache.listen(ChangeListener(changed))
        async with asyncio.TaskGroup() as group:
            for cache in (pods, tasks):
                group.create_task(cache.run())
            for cache in (pods, tasks):
                await cache.synced.wait()
            while True:
                changed.clear()
                printer.print_changed(worker_rows(pods.values(), tasks.values(), self.query.templates))
                await changed.wait()
                await asyncio.sleep(SETTLE_SECONDS)


@dataclass(frozen=True)
class ChangeListener:
    """Sets the event on every change of a cache."""

    event: asyncio.Event

    def changed(self, _item: JsonObject, *, watched: bool) -> None:
        self.event.set()

    def deleted(self, _item: JsonObject) -> None:
        self.event.set()


class WorkerPrinter:
    """Prints workers, and of a watch those that have changed."""

    def __init__(self, output: WorkerFormat, with_namespace: bool) -> None:
        self._output = output
        self._fits = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        self._with_namespace = with_namespace
        self._printer: TablePrinter | None = None
        self._layout = WorkerLayout()
        self._printed: dict[tuple[str, str], ListedWorker] = {}

    def print_changed(self, rows: Sequence[ListedWorker]) -> None:
        """Print those that are not as they were printed before."""
        now = {(row.namespace, row.name): row for row in rows}
        self.print([row for key, row in now.items() if self._printed.get(key) != row])
        self._printed = now

    def print(self, rows: Sequence[ListedWorker]) -> None:
        """Print the rows, below what is printed already."""
        if self._output is WorkerFormat.NAME:
            for row in rows:
                typer.echo(f"{f'{row.namespace}/' if self._with_namespace else ''}pod/{row.name}")
            return
        for line in self._lines(rows) if rows else ():
            typer.echo(line.rstrip())

    def _lines(self, rows: Sequence[ListedWorker]) -> list[str]:
        now = utc_now()

        def width(layout: WorkerLayout) -> int:
            lines = self._new_printer(None).render(table_of(rows, now, layout))
            return max((len(line.rstrip()) for line in lines), default=0)

        if self._printer is None:
            # The columns of a watch are those of its first workers.
            self._printer, self._layout = self._new_printer(self._fits), layout_for(rows, self._fits, width)
        return self._printer.render(table_of(rows, now, self._layout))

    def _new_printer(self, fits: int | None) -> TablePrinter:
        wide = self._output is WorkerFormat.WIDE
        return TablePrinter(wide=wide, with_namespace=self._with_namespace, fits=fits)


def _is_warm(template: JsonObject) -> bool:
    return (template.get("spec") or {}).get("executor") == Executor.WARM.value


def shortages(templates: Sequence[JsonObject]) -> list[str]:
    """A line for each template that has fewer workers than it should have, and for which the operator knows why."""
    lines = []
    for template in templates:
        status = template.get("status") or {}
        ready, wanted = status.get("readyWorkers", 0), status.get("wantedWorkers", 0)
        if ready < wanted:
            said = [f"{each['reason']}: {each['message']}" for each in status.get("conditions") or ()]
            lines += [f"McpTaskTemplate {template['metadata']['name']}: {text}" for text in said]
    return lines
