"""`mcptasks dashboard`: pages that show tasks and what becomes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mcptasks.cli.command_settings import load_settings
from mcptasks.dashboard.dashboard_process import run_dashboard


def command(
    host: Annotated[str | None, typer.Option(help="Address of the dashboard.")] = None,
    port: Annotated[int | None, typer.Option(help="Port of the dashboard; 0 picks a free one.")] = None,
    auth: Annotated[
        str | None,
        typer.Option(metavar="token|proxy|none", help="How viewers show who they are; none on loopback only."),
    ] = None,
    server_url: Annotated[
        str | None, typer.Option(metavar="URL", help="MCP endpoint whose tools can be called from the page.")
    ] = None,
    kubeconfig: Annotated[Path | None, typer.Option(help="Kubeconfig file.")] = None,
    context: Annotated[str | None, typer.Option(help="Context of the kubeconfig.")] = None,
    namespace: Annotated[str | None, typer.Option("--namespace", "-n", help="Namespace of the tasks.")] = None,
) -> None:
    """Serve pages that show tasks: live list, timeline, log, result.

    Everybody sees and does what they may with kubectl. By default a token of the Kubernetes API is asked for, such as
    `kubectl create token NAME` gives; on your own machine `--auth none` asks for none. Options take precedence over the
    environment (MCPTASKS_...); `mcptasks settings` lists all variables.

    \b
    Example:
      mcptasks dashboard --port 8090
      mcptasks dashboard --auth none --namespace team
    """
    settings = load_settings(
        dashboard_host=host,
        dashboard_port=port,
        dashboard_auth=auth,
        dashboard_server_url=server_url,
        kubeconfig=kubeconfig,
        context=context,
        namespace=namespace,
    )
    raise typer.Exit(run_dashboard(settings))
