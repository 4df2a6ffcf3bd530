"""`mcptasks run`: the process in a task's Pod."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mcptasks.cli.command_settings import load_settings
from mcptasks.runner.main import leave, run


def command(
    gateway_url: Annotated[str | None, typer.Option(help="Where the gateway is.")] = None,
    token_file: Annotated[Path | None, typer.Option(help="The Pod's token for the gateway.")] = None,
    module: Annotated[
        str | None, typer.Option(help="The server's module, if the Pod has it elsewhere than the task says.")
    ] = None,
) -> None:
    """Run one task inside its Pod: fetch it from the gateway, run it, deliver the outcome.

    The operator puts this into each task's Pod; nobody types it.

    \b
    Example:
      mcptasks run --gateway-url http://mcptasks-gateway:8001
    """
    leave(run(load_settings(gateway_url=gateway_url, token_file=token_file, module=module)))
