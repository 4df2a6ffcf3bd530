"""Trying again: which failures pass by themselves, and how long the client waits for that."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from mcptasks.client.protocol.dialect import INTERNAL_ERROR, ClientError, ConnectionFailedError, McpError, NotSentError

RECONNECT_SECONDS = 60.0
"""How long the client tries while the server cannot be reached: a restart must not lose the task."""

BACKOFF_SECONDS = (0.2, 0.5, 1.0, 2.0)

DRAINING = "Draining"
"""`data.reason` of the error by which a mcptasks server that shuts down sends its callers to another replica."""

T = TypeVar("T")


def may_pass(error: ClientError) -> bool:
    """Whether asking the same once more may help. Only for what can be asked twice."""
    return isinstance(error, ConnectionFailedError) or (isinstance(error, McpError) and error.code == INTERNAL_ERROR)


def was_not_begun(error: ClientError) -> bool:
    """Whether the server has surely not begun with the request, so that even a call may be repeated."""
    if isinstance(error, McpError):
        return isinstance(error.data, dict) and error.data.get("reason") == DRAINING
    return isinstance(error, NotSentError)


async def patiently(operation: Callable[[], Awaitable[T]], transient: Callable[[ClientError], bool] = may_pass) -> T:
    """Do it, and again with pauses while it fails in a way that passes by itself, for up to a minute.

    Raises:
        ClientError: the last failure.
    """
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + RECONNECT_SECONDS
    async for pause in pauses():
        try:
            return await operation()
        except ClientError as error:
            if not transient(error) or loop.time() + pause > give_up_at:
                raise
        await asyncio.sleep(pause)
    raise AssertionError("pauses never end")


async def pauses() -> AsyncIterator[float]:
    """Seconds to wait before each further try; never ends."""
    for pause in BACKOFF_SECONDS:
        yield pause * random.uniform(0.8, 1.2)
    while True:
        yield BACKOFF_SECONDS[-1] * random.uniform(0.8, 1.2)
