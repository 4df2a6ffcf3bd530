"""Fixtures of the worker's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.worker.harness import IMPORTS, Worker, a_worker
from tests.support.fork_server import ForkServer
from tests.support.work_gateway import WorkGateway


@pytest.fixture(scope="session")
def forks() -> Iterator[ForkServer]:
    with ForkServer.running(IMPORTS) as server:
        yield server


@pytest.fixture
def worker(forks: ForkServer, tmp_path: Path) -> Iterator[Worker]:
    """A worker of the test's own."""
    with a_worker(forks, tmp_path) as worker:
        yield worker


@pytest.fixture
def gateway(worker: Worker) -> WorkGateway:
    return worker.gateway
