"""The plugin of kubectl: `kubectl mcptasks`, and what kubectl asks to complete its words."""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import sys
from collections.abc import Sequence

import typer

from mcptasks.cli import main
from mcptasks.cli.completion_words import COMPLETE_VARIABLE
from mcptasks.cli.invocation import CalledAs, command_first

NO_FILES = ":4"
FILES = ":0"
"""The last line of an answer: whether the shell is to complete names of files where nothing else is offered
(cobra's ShellCompDirectiveNoFileComp and ShellCompDirectiveDefault)."""

FILE_OPTION = "--kubeconfig"


def run() -> None:
    """`kubectl-mcptasks`: kubectl runs it with the words that follow `kubectl mcptasks`."""
    main(command_first(sys.argv[1:]), CalledAs.PLUGIN)


def complete() -> None:
    """`kubectl_complete-mcptasks`: prints what can stand for the last of the words, a line each.

    The format is that of cobra (https://pkg.go.dev/github.com/spf13/cobra#ShellCompDirective).
    """
    words = sys.argv[1:] or [""]
    if words[-2:-1] == [FILE_OPTION]:
        typer.echo(FILES)
        return
    os.environ.update(question(words))
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        main([], CalledAs.PLUGIN)
    for line in answer(printed.getvalue()):
        typer.echo(line)


def question(words: Sequence[str]) -> dict[str, str]:
    """The variables by which Typer is asked for what can stand for the last of the words.

    It is asked as PowerShell asks: that script alone tells whether the last word has begun, and gives descriptions.
    """
    *before, incomplete = words
    line = [CalledAs.PROGRAM.value, *command_first(before), *filter(None, [incomplete])]
    return {
        COMPLETE_VARIABLE: "complete_powershell",
        "_TYPER_COMPLETE_ARGS": shlex.join(line),
        "_TYPER_COMPLETE_WORD_TO_COMPLETE": incomplete,
    }


def answer(printed: str) -> list[str]:
    """What Typer has printed, in the words of cobra: `word<tab>what it is`."""
    pairs = [line.partition(":::") for line in printed.splitlines() if line]
    return [*(f"{word}\t{what.strip()}".rstrip("\t") for word, _, what in pairs), NO_FILES]
