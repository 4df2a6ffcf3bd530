"""What commands print. Names, messages and output are of others, and a terminal is to show them, not to obey them."""

from __future__ import annotations

import sys

import typer

from mcptasks.diagnostics.visible_text import visible


def show(text: str) -> None:
    """Print what a tool has said: on a terminal with its control characters shown, elsewhere byte for byte.

    On a terminal a carriage return, as of a progress bar, ends a line. What UTF-8 cannot carry (lone surrogates) is
    shown everywhere.
    """
    if sys.stdout.isatty():
        shown = visible(text.replace("\r\n", "\n").replace("\r", "\n"))
    else:
        shown = text.encode("utf-8", "backslashreplace").decode()
    # Click would take colours out of what goes to a file.
    typer.echo(shown, color=True)


def tell(text: str, *, err: bool = True) -> None:
    """Print a line of ours, in which there may be words of others, on standard error."""
    typer.echo(visible(text), err=err)
