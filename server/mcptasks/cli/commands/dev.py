"""`mcptasks dev`: your server with everything it needs, on this machine."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Annotated

import typer

from mcptasks.cli.command_errors import ExitCode, as_cli_error
from mcptasks.cli.command_settings import MODULES_HELP
from mcptasks.dev.dev_loop import DevError, DevLoop, DevTerminal, check_modules
from mcptasks.dev.stack import StackConfig, StackError
from mcptasks.dev.supervisor import ProcessError
from mcptasks.settings import PREFIX
from mcptasks_embedded.cluster import ClusterError


def command(
    modules: Annotated[list[str], typer.Argument(metavar="MODULE", help=MODULES_HELP)],
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the MCP endpoint; 0 picks a free one.")] = 8000,
    host: Annotated[str, typer.Option(help="Address of the MCP endpoint.")] = "127.0.0.1",
) -> None:
    """Run your server with a local cluster and the operator; restart it on every change.

    Tasks go on while the server restarts. What they print is shown with their id. Prints `endpoint` and `kubeconfig`
    as soon as everything is ready. Ctrl-C ends everything and removes its files.

    \b
    Example:
      mcptasks dev server.py --port 8000
      mcptasks dev server.py geo=maps.py
    """
    with (
        as_cli_error(DevError, StackError, exit_code=ExitCode.USAGE),
        as_cli_error(ClusterError, ProcessError),
    ):
        text = check_modules(",".join(modules))
        # Whoever calls is whoever writes the tools.
        settings = {f"{PREFIX}SHOW_EXCEPTIONS": "true"} | inherited_settings()
        config = StackConfig(text, host=host, port=port, settings=settings)
        asyncio.run(_run(DevLoop(config, DevTerminal(result=typer.echo, note=_note))))


async def _run(loop: DevLoop) -> None:
    running = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        running.add_signal_handler(number, loop.stop.set)
    await loop.run()


def _note(text: str) -> None:
    typer.echo(text, err=True)


def inherited_settings() -> dict[str, str]:
    """Settings in the environment, for the components that `dev` starts."""
    return {name: value for name, value in os.environ.items() if name.startswith(PREFIX)}
