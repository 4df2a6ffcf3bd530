"""What the tests of several packages share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis

from tests.support.redis import RedisServer, running_redis


@pytest.fixture(scope="module")
def redis_process() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


@pytest.fixture
async def redis(redis_process: RedisServer) -> AsyncIterator[Redis]:
    """A client of that server, which has nothing in it."""
    client = Redis.from_url(redis_process.url)
    await client.flushall()
    yield client
    await client.aclose()
