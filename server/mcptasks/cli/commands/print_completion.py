"""`mcptasks completion`: what makes a shell complete commands, options and names of tasks."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer
from typer.completion import get_completion_script  # type: ignore[attr-defined]

from mcptasks.cli.completion_words import COMPLETE_VARIABLE
from mcptasks.cli.invocation import CalledAs


class Shell(StrEnum):
    """Shells that can complete."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def command(
    shell: Annotated[Shell, typer.Argument(help="bash, zsh or fish.")],
) -> None:
    """Print a script that makes the shell complete commands, options and names of tasks.

    \b
    Example:
      source <(mcptasks completion bash)
      mcptasks completion zsh > "${fpath[1]}/_mcptasks"
      mcptasks completion fish > ~/.config/fish/completions/mcptasks.fish
    """
    typer.echo(get_completion_script(prog_name=CalledAs.PROGRAM.value, complete_var=COMPLETE_VARIABLE, shell=shell))
