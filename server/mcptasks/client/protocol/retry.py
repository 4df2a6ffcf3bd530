"""Which failures pass by themselves, how long the client waits for that, and how often it tries again."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from mcptasks.client.client_errors import ClientError, ConnectionFailedError, McpError, NotSentError
from mcptasks.client.protocol.json_rpc import INTERNAL_ERROR

RECONNECT_SECONDS = 60.0
"""How long the client tries while the server cannot be reached: a restart must not lose the task."""

BACKOFF_SECONDS = (0.2, 0.5, 1.0, 2.0)

DRAINING = "Draining"
"""`data.reason` of the error by which a mcptasks server that shuts down sends its callers to another replica."""

T = TypeVar("T")

logger = logging.getLogger(__name__)


def is_transient(error: ClientError) -> bool:
    """Whether the same request may succeed later. Only for requests that can be repeated."""
    return isinstance(error, ConnectionFailedError) or (isinstance(error, McpError) and error.code == INTERNAL_ERROR)


def was_not_started(error: ClientError) -> bool:
    """Whether the server has certainly not started the request, so that even a call may be repeated."""
    if isinstance(error, McpError):
        return isinstance(error.data, dict) and error.data.get("reason") == DRAINING
    return isinstance(error, NotSentError)


async def retry(operation: Callable[[], Awaitable[T]], transient: Callable[[ClientError], bool] = is_transient) -> T:
    """The result of the operation, which is repeated with pauses while it fails transiently, for up to a minute.

    The first failure is logged as a warning at once, so that nobody waits without knowing what for.

    Raises:
        ClientError: the last failure.
    """
    loop = asyncio.get_running_loop()
    give_up_at, told = loop.time() + RECONNECT_SECONDS, False
    async for pause in backoff_pauses():
        try:
            return await operation()
        except ClientError as error:
            if not transient(error) or loop.time() + pause > give_up_at:
                raise
            if not told:
                logger.warning("%s; trying again for up to %.0f s", error, RECONNECT_SECONDS)
                told = True
        await asyncio.sleep(pause)
    raise AssertionError("the pauses never end")


async def backoff_pauses() -> AsyncIterator[float]:
    """Seconds to wait before each further try; never ends."""
    for pause in BACKOFF_SECONDS:
        yield pause * random.uniform(0.8, 1.2)
    while True:
        yield BACKOFF_SECONDS[-1] * random.uniform(0.8, 1.2)
