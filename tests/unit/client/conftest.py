"""Servers that the client's tests talk to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.client.fake_server import NEW, OLD, FakeServer, serving


@pytest.fixture
def new() -> Iterator[FakeServer]:
    """A server of the newer protocol version."""
    with serving(FakeServer(NEW)) as fake:
        yield fake


@pytest.fixture
def old() -> Iterator[FakeServer]:
    """A server of the older protocol version."""
    with serving(FakeServer(OLD)) as fake:
        yield fake


@pytest.fixture(params=[OLD, NEW])
def server(request: pytest.FixtureRequest) -> Iterator[FakeServer]:
    """A server of either protocol version."""
    with serving(FakeServer(request.param)) as fake:
        yield fake
