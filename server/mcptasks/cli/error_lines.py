"""Errors of commands on standard error."""

from __future__ import annotations

import sys

import typer

from mcptasks.cli.colours import coloured
from mcptasks.cli.invocation import CalledAs
from mcptasks.diagnostics.visible_text import visible


def tell_error(error: Exception, called_as: CalledAs | None = None) -> None:
    """Print what went wrong, with commands named as the user types them: by default as the process was started."""
    text = (called_as or CalledAs.of(sys.argv[0])).worded(str(error))
    typer.echo(f"{coloured('Error:', 'red', sys.stderr)} {visible(text)}", err=True)
