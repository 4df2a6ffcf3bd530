"""How help names the arguments of a command."""

from __future__ import annotations

import re
from collections.abc import Sequence

import typer
from typer.core import TyperCommand

from mcptasks.cli.invocation import CalledAs

_LIST = re.compile(r"(?:\.\.\.)? <list\[\w+\]>")
"""What Typer puts behind an argument that can be repeated."""


class _HelpFormatter(typer.Context.formatter_class):  # type: ignore[misc, valid-type]
    """Names what can be repeated as the line with the usage does, and commands as the user has called them."""

    called_as = CalledAs.PROGRAM

    def write_text(self, text: str) -> None:
        super().write_text(self.called_as.worded(text))

    def write_dl(self, rows: Sequence[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        shown = [(_LIST.sub("...", name), self.called_as.worded(text)) for name, text in rows]
        super().write_dl(shown, col_max, col_spacing)


class _HelpContext(typer.Context):
    formatter_class = _HelpFormatter

    def make_formatter(self) -> _HelpFormatter:
        formatter = super().make_formatter()
        assert isinstance(formatter, _HelpFormatter)
        if self.find_root().info_name == CalledAs.PLUGIN:
            formatter.called_as = CalledAs.PLUGIN
        return formatter


class HelpfulCommand(TyperCommand):
    """A command whose help speaks of no Python types."""

    context_class = _HelpContext
