"""`mcptasks operator`: turns McpTasks into Jobs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mcptasks.cli.command_settings import load_settings
from mcptasks_operator.process.app import run


def command(
    kubeconfig: Annotated[Path | None, typer.Option(help="Kubeconfig file.")] = None,
    context: Annotated[str | None, typer.Option(help="Context of the kubeconfig.")] = None,
    namespace: Annotated[
        str | None, typer.Option("--namespace", "-n", help="Namespace of the tasks and of the lease.")
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Tasks to work on at the same time.")] = None,
) -> None:
    """Run the operator, which turns tasks into Jobs. Several may run: one leads, the others stand by.

    Options take precedence over the environment (MCPTASKS_...); `mcptasks settings` lists all variables.

    \b
    Example:
      mcptasks operator --namespace tools
    """
    raise typer.Exit(run(load_settings(kubeconfig=kubeconfig, context=context, namespace=namespace, workers=workers)))
