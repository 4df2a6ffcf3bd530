"""`mcptasks crds`: the custom resource definitions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mcptasks.cli.command_errors import as_cli_error
from mcptasks.model.crds import as_yaml, custom_resource_definitions, write


def command(
    output: Annotated[
        Path | None, typer.Option(help="Write a file for each kind into this directory instead.", file_okay=False)
    ] = None,
) -> None:
    """Print the custom resource definitions as YAML.

    \b
    Example:
      mcptasks crds | kubectl apply -f -
    """
    if output is None:
        typer.echo("---\n".join(as_yaml(crd) for crd in custom_resource_definitions()), nl=False)
        return
    with as_cli_error(OSError):
        output.mkdir(parents=True, exist_ok=True)
        for name in write(output):
            typer.echo(output / name)
