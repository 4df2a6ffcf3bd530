"""Which variables the developer's tools see in `mcptasks dev`: the same inline, in the server, and as tasks."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mcptasks.settings import PREFIX

CLEAN_NAMES = frozenset({"HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "TMPDIR", "USER", "VIRTUAL_ENV"})
"""What a program cannot do without; in a container of a cluster, the image and its runtime bring these along."""

TRACE_NAMES = frozenset({"TRACEPARENT", "TRACESTATE"})
"""These belong to one call each; a task has its caller's."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class EnvironmentFileError(Exception):
    """A file of variables cannot be read; the message says which line is wrong, and never what a value is."""


@dataclass(frozen=True)
class DevEnvironment:
    """What the tools see, and apart from it the settings of mcptasks, which are for our own processes."""

    tools: Mapping[str, str] = field(repr=False)
    settings: Mapping[str, str] = field(repr=False)

    @classmethod
    def of(cls, own: Mapping[str, str], files: Iterable[Path] = (), *, clean: bool = False) -> DevEnvironment:
        """Make it of a process's variables and files, of which the later ones take precedence.

        Args:
            own: the developer's variables.
            files: files with lines like `NAME=value`.
            clean: the tools see of `own` only what no program can do without.

        Raises:
            EnvironmentFileError: a file cannot be read, or a line of it sets no variable.
        """
        tools = {name: value for name, value in own.items() if not clean or name in CLEAN_NAMES}
        settings = {name: value for name, value in own.items() if name.startswith(PREFIX)}
        for file in files:
            given = read_environment_file(file)
            tools |= given
            settings |= {name: value for name, value in given.items() if name.startswith(PREFIX)}
        return cls({name: value for name, value in tools.items() if _is_for_tools(name)}, settings)


def read_environment_file(file: Path) -> dict[str, str]:
    """The variables of a file: a `NAME=value` in each line, quoted as in a shell, `export` and comments allowed.

    Raises:
        EnvironmentFileError: the file cannot be read, or a line of it sets no variable.
    """
    try:
        lines = file.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise EnvironmentFileError(f"{file} cannot be read: {why}") from error
    return dict(entry for number, line in enumerate(lines, 1) for entry in _entries(file, number, line))


def _entries(file: Path, number: int, line: str) -> list[tuple[str, str]]:
    try:
        words = shlex.split(line, comments=True)
    except ValueError:
        raise EnvironmentFileError(f"{file}:{number}: a quotation mark is not closed") from None
    if words[:1] == ["export"]:
        words = words[1:]
    if not words:
        return []
    name, equals, value = words[0].partition("=")
    if not equals or not _NAME.fullmatch(name):
        raise EnvironmentFileError(f"{file}:{number}: write NAME=value")
    if len(words) > 1:
        raise EnvironmentFileError(f'{file}:{number}: put the value of {name} in quotes: {name}="..."')
    return [(name, value)]


def _is_for_tools(name: str) -> bool:
    return not name.startswith(PREFIX) and name not in TRACE_NAMES
