"""By which name the program was called: by its own, or by kubectl, as a plugin."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from pathlib import PurePath

PLUGIN_COMMANDS = ("get", "describe", "top", "workers", "logs", "answer", "cancel", "delete", "version")
"""The commands that are about a cluster, which the plugin has."""

PLUGIN_FILE = "kubectl-mcptasks"
"""What kubectl looks for on the PATH (https://kubernetes.io/docs/tasks/extend-kubectl/kubectl-plugins/)."""

COMPLETION_FILE = "kubectl_complete-mcptasks"
"""What kubectl runs for completions of the plugin."""

_NAMED = re.compile(rf"(?<![\w./-])(?<!kubectl )mcptasks(?= (?:{'|'.join(PLUGIN_COMMANDS)})\b)")

_FOR_THE_PROGRAM = ", that of a `mcptasks dev` here,"
"""Of the help of `--kubeconfig`: what the plugin, as kubectl, does not look for."""

_WITH_VALUE = frozenset(
    {"-n", "--namespace", "--context", "--kubeconfig", "-l", "--selector", "--field-selector", "-o", "--output"}
)
"""Options that take the next word as their value."""


class CalledAs(StrEnum):
    """What a user has typed to call the program."""

    PROGRAM = "mcptasks"
    PLUGIN = "kubectl mcptasks"

    @classmethod
    def of(cls, file: str) -> CalledAs:
        """By the file that was started, `sys.argv[0]`."""
        return cls.PLUGIN if PurePath(file).stem in (PLUGIN_FILE, COMPLETION_FILE) else cls.PROGRAM

    def worded(self, text: str) -> str:
        """The text, in which commands are named as the user has to type them."""
        if self is CalledAs.PROGRAM:
            return text
        return _NAMED.sub(self.value, text.replace(_FOR_THE_PROGRAM, ""))


def command_first(words: Sequence[str]) -> list[str]:
    """The words with options that stand before the command behind it: kubectl takes its own at both places."""
    index = 0
    while index < len(words) and words[index].startswith("-"):
        index += 2 if words[index] in _WITH_VALUE else 1
    return [*words[index : index + 1], *words[:index], *words[index + 1 :]]
