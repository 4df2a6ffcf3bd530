"""`mcptasks dev`: your server with everything it needs, on this machine."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from mcptasks.cli.colours import with_phases, with_task_id
from mcptasks.cli.command_errors import as_cli_error
from mcptasks.cli.command_settings import MODULES_HELP
from mcptasks.cli.terminal_text import tell
from mcptasks.cli.tool_signature import Listed, call_line, signature
from mcptasks.cli.worker_option import COLD_HELP, workers_can_run
from mcptasks.client import ListedPrompt, Tool
from mcptasks.dev.dev_loop import DevError, DevLoop, DevTerminal, check_modules
from mcptasks.dev.stack import StackConfig, StackError
from mcptasks.dev.supervisor import ProcessError
from mcptasks.dev.tool_environment import DevEnvironment, EnvironmentFileError
from mcptasks.diagnostics.visible_text import visible, visible_line
from mcptasks.model.exit_codes import ExitCode
from mcptasks.settings import PREFIX
from mcptasks_embedded.cluster import ClusterError


def command(
    modules: Annotated[list[str], typer.Argument(metavar="MODULE", help=MODULES_HELP)],
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the MCP endpoint; 0 picks a free one.")] = 8000,
    host: Annotated[str, typer.Option(help="Address of the MCP endpoint.")] = "127.0.0.1",
    env_file: Annotated[
        list[Path] | None,
        typer.Option(help="File of NAME=value lines for your tools, on top of your environment; may be repeated."),
    ] = None,
    clean_env: Annotated[
        bool,
        typer.Option("--clean-env", help="Keep your environment from your tools, as a cluster would."),
    ] = False,
    cold: Annotated[bool, typer.Option("--cold", help=COLD_HELP)] = False,
    dashboard: Annotated[bool, typer.Option(help="Serve the dashboard too, on this machine's own address.")] = True,
    dashboard_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the dashboard; 0 picks a free one.")
    ] = 0,
) -> None:
    """Run your server with a local cluster and the operator; restart it on every change.

    Tasks go on while the server restarts, which it does once the new code loads. What they print is shown with their
    id. Prints `endpoint`, `kubeconfig` and `dashboard` as soon as everything is ready. Ctrl-C ends everything and
    removes its files. Tools see your environment and run in this directory, inline and as tasks. A worker that has
    loaded your module runs the tasks, each in a process of its own; --cold starts a Pod for each instead.

    \b
    Example:
      mcptasks dev server.py --port 8000
      mcptasks dev server.py geo=maps.py
      mcptasks dev server.py --clean-env --env-file .env
      mcptasks dev server.py --cold
    """
    with (
        as_cli_error(DevError, StackError, EnvironmentFileError, exit_code=ExitCode.USAGE),
        as_cli_error(ClusterError, ProcessError),
    ):
        text = check_modules(",".join(modules))
        environment = DevEnvironment.of(os.environ, env_file or (), clean=clean_env)
        config = StackConfig(
            text,
            host=host,
            port=port,
            # Whoever calls is whoever writes the tools.
            settings={f"{PREFIX}SHOW_LOG_LINES": "true", **environment.settings},
            tool_environment=environment.tools,
            tool_directory=Path.cwd(),
            warm=not cold and workers_can_run(),
            dashboard_port=dashboard_port if dashboard else None,
        )
        terminal = DevTerminal(result=_result, note=_note, components=_print_components)
        asyncio.run(_run(DevLoop(config, terminal, own_log=f"{PREFIX}LOG_LEVEL" in environment.settings)))


async def _run(loop: DevLoop) -> None:
    running = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        running.add_signal_handler(number, loop.stop.set)
    await loop.run()


def _result(text: str) -> None:
    typer.echo(with_task_id(visible(text), sys.stdout))


def _note(text: str) -> None:
    typer.echo(with_phases(with_task_id(visible(text), sys.stderr), sys.stderr), err=True)


def _print_components(url: str, components: Sequence[Listed]) -> None:
    width = shutil.get_terminal_size().columns
    for component in components:
        noun = "" if isinstance(component, Tool) else "prompt " if isinstance(component, ListedPrompt) else "resource "
        tell(f"  {noun}{signature(component, width - len(noun) - 2)}")
    if components:
        tell(f"call one from another terminal:\n  {visible_line(call_line(url, components[0]))}")
