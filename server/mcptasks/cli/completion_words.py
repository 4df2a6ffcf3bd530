"""What a shell asks to complete: it runs the program with the words so far in the environment."""

from __future__ import annotations

from collections.abc import Mapping

COMPLETE_VARIABLE = "_MCPTASKS_COMPLETE"
"""Set by the script of `mcptasks completion`, to what the shell wants; Typer reads it."""

_WORDS = ("COMP_WORDS", "_TYPER_COMPLETE_ARGS")
"""Where the scripts for bash and for the other shells put the line so far."""


def is_completion(environment: Mapping[str, str]) -> bool:
    """Whether a shell has run the program for completions."""
    return COMPLETE_VARIABLE in environment


def words_so_far(environment: Mapping[str, str]) -> list[str]:
    """The words after the program's name, as far as it takes to see which command is meant."""
    line = next((environment[name] for name in _WORDS if name in environment), "")
    return line.split()[1:]
