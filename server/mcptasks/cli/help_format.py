"""How help names the arguments of a command."""

from __future__ import annotations

import re
from collections.abc import Sequence

import typer
from typer.core import TyperCommand

_LIST = re.compile(r"(?:\.\.\.)? <list\[\w+\]>")
"""What Typer puts behind an argument that can be repeated."""


class _HelpFormatter(typer.Context.formatter_class):  # type: ignore[misc, valid-type]
    """Names what can be repeated as the line with the usage does."""

    def write_dl(self, rows: Sequence[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        super().write_dl([(_LIST.sub("...", name), text) for name, text in rows], col_max, col_spacing)


class _HelpContext(typer.Context):
    formatter_class = _HelpFormatter


class HelpfulCommand(TyperCommand):
    """A command whose help speaks of no Python types."""

    context_class = _HelpContext
