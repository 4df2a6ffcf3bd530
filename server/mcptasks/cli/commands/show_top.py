"""`mcptasks top`: what runs, what waits and what asks, live."""

from __future__ import annotations

import io
import shutil
import sys
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console

from mcptasks.cli.cluster_options import ContextOption, KubeconfigOption, NamespaceOption
from mcptasks.cli.cluster_session import ClusterOptions, on_cluster
from mcptasks.cli.task_selection import SelectorOption
from mcptasks.cli.top_frame import FrameSize, TopFrame
from mcptasks.cli.top_rows import SortKey, TopFacts, TopView
from mcptasks.cli.top_screen import TopScreen
from mcptasks.cli.top_source import TopSource
from mcptasks.cli.top_table import Glyphs
from mcptasks.diagnostics.visible_text import visible_json
from mcptasks.model.task import Phase

PIPED_WIDTH = 120
PIPED_ROWS = 100


class TopFormat(StrEnum):
    """How to print what runs."""

    TABLE = "table"
    JSON = "json"


def command(
    all_namespaces: Annotated[bool, typer.Option("--all-namespaces", "-A", help="Tasks of all namespaces.")] = False,
    namespace: NamespaceOption = None,
    selector: SelectorOption = None,
    phase: Annotated[
        list[Phase] | None,
        typer.Option(
            metavar="PHASE",
            help="Only tasks that are working, input_required, completed, failed or cancelled; may be given again.",
        ),
    ] = None,
    sort_by: Annotated[
        SortKey,
        typer.Option(metavar="KEY", help="By state, age, runtime, progress, cpu, memory, tool, caller or name."),
    ] = SortKey.STATE,
    reverse: Annotated[bool, typer.Option("--reverse", help="The other way round.")] = False,
    rows: Annotated[
        int | None, typer.Option(min=1, help=f"How many tasks at most; {PIPED_ROWS} where it is not a terminal.")
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="Print what is now, and end; the default where it is not a terminal.")
    ] = False,
    output: Annotated[TopFormat, typer.Option("--output", "-o", help="table or json.")] = TopFormat.TABLE,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Show live what runs, what waits and what asks, and the workers of warm templates.

    What needs somebody stands on top, then what runs, what waits, and what has ended. CPU and memory are those of
    attempts that are over. q ends it, s sorts otherwise, r turns the order round, e hides what has ended.

    \b
    Example:
      mcptasks top -A
      mcptasks top --phase input_required --phase working --once
      mcptasks top -o json --sort-by memory --rows 10
    """
    view = TopView(sort_by, reverse, phases=frozenset(phase or ()))
    options = ClusterOptions(kubeconfig, context, namespace)
    on_cluster(options, lambda cluster: _show(TopSource(cluster, all_namespaces, selector), view, output, rows, once))


async def _show(source: TopSource, view: TopView, output: TopFormat, rows: int | None, once: bool) -> None:
    if isinstance(sys.stdout, io.TextIOWrapper):
        # What a tool says may have characters that the terminal's encoding lacks.
        sys.stdout.reconfigure(errors="backslashreplace")
    if output is TopFormat.JSON:
        typer.echo(visible_json((await source.read()).dump(view, rows), indent=4))
        return
    console = Console(highlight=False)
    if once or not sys.stdout.isatty() or console.is_dumb_terminal:
        print_frame(await source.read(), view, rows)
        return
    async with source.watched() as board:
        await TopScreen(board, view, console, rows).run()


def print_frame(facts: TopFacts, view: TopView, rows: int | None) -> None:
    """Print one frame: as large as the terminal, or of a width that suits files."""
    terminal = shutil.get_terminal_size((PIPED_WIDTH, 0))
    if sys.stdout.isatty() and terminal.lines > 1:
        # The shell's next line is below.
        size = FrameSize(terminal.columns, terminal.lines - 1, rows)
    else:
        size = FrameSize(terminal.columns or PIPED_WIDTH, None, rows or PIPED_ROWS)
    console = Console(highlight=False, width=size.width)
    for line in TopFrame(size, Glyphs.of(console.encoding)).lines(facts, view):
        line.rstrip()
        console.print(line, no_wrap=True, overflow="ignore", crop=False)
