"""One stack for all tests that only use it, and the command line as users have it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mcptasks.dev.stack import LocalStack, StackConfig
from tests.support.command_line import Cli, Completed, command_line
from tests.support.kubectl import Kubectl
from tests.support.readme import ROOT

TOOLS = Path(__file__).with_name("tools.py")


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
    """Runs `mcptasks` with the words given, to its end."""
    with command_line() as run:
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
