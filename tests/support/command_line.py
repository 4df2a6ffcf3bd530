"""`mcptasks` as users type it, in a process forked from one that has imported all commands."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from tests.support.fork_server import ForkServer

IMPORTS = """
import importlib, pkgutil
import mcptasks.cli
for module in pkgutil.walk_packages(mcptasks.cli.__path__, "mcptasks.cli."):
    importlib.import_module(module.name)
"""

COMMAND = """
import sys
from mcptasks.cli import main
sys.argv = ["mcptasks", *{words}]
main()
"""

Completed: TypeAlias = "subprocess.CompletedProcess[str]"
Cli: TypeAlias = Callable[..., Completed]


@contextmanager
def command_line() -> Iterator[Cli]:
    """What runs `mcptasks` with the words given, to its end."""
    with ForkServer.running(IMPORTS) as server:

        def run(*words: str) -> Completed:
            process = server.start(COMMAND.format(words=words), Path.cwd(), dict(os.environ))
            out, err = process.communicate(timeout=240)
            return subprocess.CompletedProcess(words, process.wait(0), out, err)

        yield run
