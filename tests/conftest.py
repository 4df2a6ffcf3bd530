"""Fixtures and options that all tests share."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Generator, Iterator
from pathlib import Path

import hypothesis
import psutil
import pytest

from tests.support.heartbeat import Heartbeat
from tests.support.sendable_reports import sendable

# How long an example takes says nothing on a busy machine.
hypothesis.settings.register_profile("unhurried", deadline=None)
hypothesis.settings.load_profile("unhurried")

LEFTOVER_SECONDS = 10.0
PROCESS_PER_TEST = Path(__file__).parent / "unit" / "runner"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--kubeconfig",
        default=None,
        help="run the contract and end-to-end tests against this cluster instead of an embedded one",
    )
    parser.addoption(
        "--network-policies", action="store_true", help="that cluster enforces NetworkPolicies: run the tests of them"
    )
    parser.addoption("--kueue", action="store_true", help="Kueue is installed in that cluster: run the tests with it")
    parser.addoption("--chart", action="store_true", help="install the product on that cluster by its Helm chart")
    parser.addoption("--executor", choices=["Job", "Warm"], default="Job", help="what runs the end-to-end tests' tasks")
    parser.addoption("--pythons", default="", help="more interpreters to try the wheels with, separated by spaces")
    parser.addoption(
        "--crowd",
        type=int,
        default=12,
        help="how many tasks the tests of many tasks at once start (default %(default)s)",
    )


def pytest_configure() -> None:
    """Give the process a folder for temporary files of its own, so that what is left there is its own.

    With `-n` the tests run in several processes; the folders of these are inside that of the process that has them.
    """
    # What a shell runs in the background ignores SIGINT, and so would all commands that the tests start and interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    folder = tempfile.mkdtemp(prefix="mcptasks-tests-")
    os.environ["TMPDIR"] = tempfile.tempdir = folder
    # A `mcptasks dev` that is killed leaves its record there, and one that a developer has running keeps its own.
    runtime = Path(folder) / "runtime"
    runtime.mkdir(mode=0o700)
    os.environ["XDG_RUNTIME_DIR"] = str(runtime)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Whoever waits for a long run sees how far it is. Workers of `-n` have no terminal."""
    plugins = session.config.pluginmanager
    reporter = plugins.get_plugin("terminalreporter")
    if isinstance(reporter, pytest.TerminalReporter) and not hasattr(session.config, "workerinput"):
        plugins.register(Heartbeat(reporter), "mcptasks-heartbeat")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage among the modules and tests, which stay: not while they come to be, and not in the tests."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that have a process for each test: at the end, workers would be left with them."""
    items.sort(key=lambda item: item.path.parent != PROCESS_PER_TEST)


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, object, object]:
    """Write half characters out, as of file names that are no UTF-8: `-n` cannot send them, and ends the whole run."""
    return sendable((yield))


def pytest_unconfigure() -> None:
    folder = Path(tempfile.gettempdir())
    if folder.name.startswith("mcptasks-tests-"):
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Asynchronous tests run on asyncio."""
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def _nothing_is_left_behind() -> Iterator[None]:
    """Fails the run when a process or a file of ours outlives the tests."""
    before = own_files()
    yield
    deadline = time.monotonic() + LEFTOVER_SECONDS
    while (left := leftovers(before)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not left, f"left behind: {left}"


def own_files() -> set[Path]:
    """What mcptasks keeps in the folder for temporary files."""
    return set(Path(tempfile.gettempdir()).glob("mcptasks-*"))


def leftovers(before: set[Path]) -> list[str]:
    """Processes that the tests started and files that they made, as far as they are still there."""
    children = psutil.Process().children(recursive=True)
    processes = [f"{child.pid} {' '.join(child.cmdline())}" for child in children if child.status() != "zombie"]
    return [*processes, *(str(path) for path in own_files() - before)]
