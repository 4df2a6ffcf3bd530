"""`mcptasks get`: tasks as kubectl lists them."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import typer
import yaml

from mcptasks.cli.cluster_options import ContextOption, KubeconfigOption, NamespaceOption
from mcptasks.cli.cluster_session import ClusterOptions, ClusterSession, TaskReference, on_cluster
from mcptasks.cli.colours import with_phases
from mcptasks.cli.command_errors import CliError, usage_error
from mcptasks.cli.error_lines import tell_error
from mcptasks.cli.kubectl_tables import TablePrinter
from mcptasks.cli.task_completion import complete_task
from mcptasks.cli.task_selection import SelectorOption
from mcptasks.diagnostics.visible_text import has_controls, visible_json
from mcptasks.kube.errors import GoneError, NotFoundError
from mcptasks.kube.kinds import MCP_TASKS
from mcptasks.model.base import JsonObject


class ListFormat(StrEnum):
    """How to print tasks."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


@dataclass(frozen=True)
class TaskQuery:
    """Which tasks to show."""

    names: Sequence[str] = ()
    all_namespaces: bool = False
    label_selector: str | None = None
    field_selector: str | None = None

    @property
    def references(self) -> list[TaskReference]:
        """The tasks that are named."""
        return [TaskReference.parse(name) for name in self.names]


def command(
    names: Annotated[
        list[str] | None, typer.Argument(help="Tasks to show; all by default.", autocompletion=complete_task)
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Keep running and show every change.")] = False,
    all_namespaces: Annotated[bool, typer.Option("--all-namespaces", "-A", help="Tasks of all namespaces.")] = False,
    namespace: NamespaceOption = None,
    selector: SelectorOption = None,
    field_selector: Annotated[
        str | None, typer.Option("--field-selector", help="Field selector, for example status.phase=failed.")
    ] = None,
    output: Annotated[
        ListFormat, typer.Option("--output", "-o", help="table, wide, json, yaml or name.")
    ] = ListFormat.TABLE,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """List tasks, with the same columns as `kubectl get mcptasks`.

    \b
    Example:
      mcptasks get --field-selector status.phase=failed -o wide
    """
    query = TaskQuery(names or (), all_namespaces, selector, field_selector)
    _check(query, watch, output)
    options = ClusterOptions(kubeconfig, context, namespace)
    on_cluster(options, lambda cluster: TaskListing(cluster, query, output).run(watch))


def _check(query: TaskQuery, watch: bool, output: ListFormat) -> None:
    if query.names and (query.label_selector or query.field_selector):
        raise usage_error("name tasks or select them with -l and --field-selector, not both")
    if query.names and query.all_namespaces:
        raise usage_error("a task's name needs one namespace: use -n instead of -A")
    if watch and len(query.names) > 1:
        raise usage_error("-w watches all tasks or one: name at most one")
    if watch and output in (ListFormat.JSON, ListFormat.YAML):
        raise usage_error(f"-w does not go with -o {output}")


@dataclass(frozen=True)
class TaskListing:
    """Prints the tasks that a query finds."""

    cluster: ClusterSession
    query: TaskQuery
    output: ListFormat

    async def run(self, watch: bool) -> None:
        """Print the tasks, and with `watch` every change from then on."""
        if self.output in (ListFormat.JSON, ListFormat.YAML):
            await self._print_objects()
            return
        printer = TablePrinter(
            wide=self.output is ListFormat.WIDE,
            with_namespace=self.query.all_namespaces,
            fits=shutil.get_terminal_size().columns if sys.stdout.isatty() else None,
        )
        if watch:
            await self._watch(printer)
            return
        tables = await self._tables()
        missing = len(tables) < len(self.query.names)
        if not any(table.get("rows") for table in tables) and not missing:
            where = "" if self.query.all_namespaces else f" in {self.cluster.namespace} namespace."
            typer.echo(f"No resources found{where}", err=True)
        for table in tables:
            self._print_table(printer, table)
        if missing:
            raise typer.Exit(1)

    @property
    def _namespace(self) -> str | None:
        return None if self.query.all_namespaces else self.cluster.namespace

    async def _tables(self) -> list[JsonObject]:
        kube, query = self.cluster.kube, self.query
        if not query.names:
            try:
                table = await kube.table(
                    MCP_TASKS,
                    self._namespace,
                    label_selector=query.label_selector,
                    field_selector=query.field_selector,
                )
            except NotFoundError as error:
                raise await self.cluster.explain_missing(error) from error
            return [table]
        tables = []
        for reference in query.references:
            place = self.cluster.beside(reference)
            try:
                tables.append(await kube.table(MCP_TASKS, place.namespace, reference.name))
            except NotFoundError as error:
                explained = await place.explain_missing(error, reference.name)
                tell_error(explained)
        return tables

    async def _watch(self, printer: TablePrinter) -> None:
        references = self.query.references
        fields = f"metadata.name={references[0].name}" if references else self.query.field_selector
        namespace = self.cluster.beside(references[0]).namespace if references else self._namespace
        kube, version = self.cluster.kube, ""
        while True:
            if not version:
                table = await self._first(printer)
                version = str((table.get("metadata") or {}).get("resourceVersion", ""))
            try:
                async for event in kube.watch(
                    MCP_TASKS,
                    namespace,
                    resource_version=version,
                    label_selector=self.query.label_selector,
                    field_selector=fields,
                    as_table=True,
                ):
                    version = _version(event.object) or version
                    if event.type != "BOOKMARK":
                        self._print_table(printer, event.object)
            except GoneError:
                version = ""

    async def _first(self, printer: TablePrinter) -> JsonObject:
        tables = await self._tables()
        if not tables:
            raise typer.Exit(1)
        self._print_table(printer, tables[0])
        return tables[0]

    def _print_table(self, printer: TablePrinter, table: JsonObject) -> None:
        if self.output is ListFormat.NAME:
            for row in table.get("rows") or ():
                metadata = row["object"]["metadata"]
                namespace = metadata.get("namespace") if self.query.all_namespaces else None
                typer.echo(TaskReference(metadata["name"], namespace))
            return
        for line in printer.render(table):
            typer.echo(with_phases(line, sys.stdout))

    async def _print_objects(self) -> None:
        items = await self._objects()
        shown: JsonObject = (
            items[0]
            if len(self.query.names) == 1
            else {"apiVersion": "v1", "kind": "List", "items": items, "metadata": {"resourceVersion": ""}}
        )
        if self.output is ListFormat.JSON:
            typer.echo(visible_json(shown, indent=4, sort_keys=True))
        else:
            text = yaml.safe_dump(shown, allow_unicode=True)
            typer.echo(yaml.safe_dump(shown) if has_controls(text) else text, nl=False)

    async def _objects(self) -> list[JsonObject]:
        kube, query = self.cluster.kube, self.query
        try:
            if query.names:
                items = [
                    await kube.get(MCP_TASKS, reference.name, self.cluster.beside(reference).namespace)
                    for reference in query.references
                ]
            else:
                listed = await kube.list(
                    MCP_TASKS,
                    self._namespace,
                    label_selector=query.label_selector,
                    field_selector=query.field_selector,
                )
                items = listed.items
        except NotFoundError as error:
            only = query.references[0] if len(query.names) == 1 else None
            place = self.cluster if only is None else self.cluster.beside(only)
            explained: CliError = await place.explain_missing(error, None if only is None else only.name)
            raise explained from error
        for item in items:
            item["metadata"].pop("managedFields", None)
        return items


def _version(table: JsonObject) -> str:
    """The resource version of a watch event: that of its row's object, or of a bookmark's table."""
    for row in table.get("rows") or ():
        version = (row.get("object") or {}).get("metadata", {}).get("resourceVersion")
        if version:
            return str(version)
    return str((table.get("metadata") or {}).get("resourceVersion") or "")
