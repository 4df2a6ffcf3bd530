"""`mcptasks worker`: the processes in a worker's Pod."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from mcptasks.cli.command_settings import load_settings
from mcptasks.worker.worker_process import run_worker


def command(
    gateway_url: Annotated[str | None, typer.Option(help="Where the gateway is.")] = None,
    token_file: Annotated[Path | None, typer.Option(help="The Pod's token for the gateway.")] = None,
    module: Annotated[str | None, typer.Option(help="The server's module.")] = None,
) -> None:
    """Load the server's module once, and run tasks that the gateway hands out, each in a process of its own.

    The operator puts this into the Pods of templates with `executor: Warm`; nobody types it.

    \b
    Example:
      mcptasks worker --gateway-url http://mcptasks-gateway:8001 --module server.py
    """
    sys.exit(run_worker(load_settings(gateway_url=gateway_url, token_file=token_file, module=module)))
