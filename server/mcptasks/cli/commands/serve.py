"""`mcptasks serve`: the MCP endpoint and the gateway."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mcptasks.authoring.loader import absolute
from mcptasks.cli.command_settings import MODULES_HELP, load_settings
from mcptasks.server.server_process import check, serve


def command(
    modules: Annotated[
        list[str] | None,
        typer.Argument(metavar="MODULE", help=MODULES_HELP),
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address of the MCP endpoint.")] = None,
    port: Annotated[int | None, typer.Option(help="Port of the MCP endpoint; 0 picks a free one.")] = None,
    path: Annotated[str | None, typer.Option(help="Path of the MCP endpoint.")] = None,
    gateway_host: Annotated[str | None, typer.Option(help="Address of the gateway. Never expose it.")] = None,
    gateway_port: Annotated[int | None, typer.Option(help="Port of the gateway; 0 picks a free one.")] = None,
    kubeconfig: Annotated[Path | None, typer.Option(help="Kubeconfig file.")] = None,
    context: Annotated[str | None, typer.Option(help="Context of the kubeconfig.")] = None,
    namespace: Annotated[str | None, typer.Option("--namespace", "-n", help="Namespace of the tasks.")] = None,
    only_check: Annotated[
        bool, typer.Option("--check", help="Only load your server, say what is wrong with it, and exit.")
    ] = False,
    templates_file: Annotated[
        Path | None,
        typer.Option(hidden=True, help="File that gets the templates that components name, for `mcptasks dev`."),
    ] = None,
) -> None:
    """Serve the MCP endpoint and the gateway.

    Options take precedence over the environment (MCPTASKS_...); `mcptasks settings` lists all variables.

    \b
    Example:
      mcptasks serve server.py --port 8000
      mcptasks serve server.py geo=maps.py
      mcptasks serve server.py --check
    """
    settings = load_settings(
        module=absolute(",".join(modules)) if modules else None,
        host=host,
        port=port,
        path=path,
        gateway_host=gateway_host,
        gateway_port=gateway_port,
        kubeconfig=kubeconfig,
        context=context,
        namespace=namespace,
    )
    raise typer.Exit(check(settings) if only_check else serve(settings, templates_file))
