"""One stack for all tests that only use it, and the command line as users have it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import pytest

from mcptasks.dev.stack import LocalStack, StackConfig
from tests.support.fork_server import ForkServer
from tests.support.kubectl import Kubectl
from tests.support.readme import ROOT

TOOLS = Path(__file__).with_name("tools.py")

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


@dataclass(frozen=True)
class DemoRun:
    """A run of the demonstration: what it printed, and what it has left in the directory for temporary files."""

    done: subprocess.CompletedProcess[str]
    left: list[Path]


@pytest.fixture(scope="session")
def demonstration(tmp_path_factory: pytest.TempPathFactory) -> DemoRun:
    """`make demo`, once for all that look at it."""
    directory = tmp_path_factory.mktemp("demonstration")
    done = subprocess.run(
        ["make", "--silent", "demo"],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(directory)},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    return DemoRun(done, list(directory.iterdir()))


@pytest.fixture(scope="session")
def stack() -> Iterator[LocalStack]:
    with LocalStack(StackConfig(str(TOOLS))) as running:
        yield running


@pytest.fixture(scope="session")
def cli() -> Iterator[Cli]:
    """Runs `mcptasks` with the words given, to its end, in a process that has imported it before."""
    with ForkServer.running(IMPORTS) as server:

        def run(*words: str) -> Completed:
            process = server.start(COMMAND.format(words=words), Path.cwd(), dict(os.environ))
            out, err = process.communicate(timeout=240)
            return subprocess.CompletedProcess(words, process.wait(0), out, err)

        yield run


@pytest.fixture(scope="session")
def on_stack(cli: Cli, stack: LocalStack) -> Cli:
    """Runs a command that looks at the stack's cluster."""

    def run(command: str, *words: str) -> Completed:
        return cli(command, "--kubeconfig", str(stack.kubeconfig), *words)

    return run


@pytest.fixture(scope="session")
def kubectl(stack: LocalStack) -> Kubectl:
    return Kubectl(stack.kubeconfig, stack.namespace)
