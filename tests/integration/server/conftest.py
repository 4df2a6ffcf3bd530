"""The two replicas of a module's `stack`, each on its own."""

from __future__ import annotations

import pytest

from mcptasks.dev.stack import LocalStack
from tests.support.mcp import RawClient


@pytest.fixture
def one(stack: LocalStack) -> RawClient:
    return RawClient(stack.endpoint_of("server"))


@pytest.fixture
def two(stack: LocalStack) -> RawClient:
    return RawClient(stack.endpoint_of("server-2"))
