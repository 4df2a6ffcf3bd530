"""Asking until the answer is true."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

WAIT_SECONDS = 90.0
"""Long enough on a busy machine."""


def eventually(what: str, look: Callable[[], T | None], seconds: float = WAIT_SECONDS, every: float = 0.1) -> T:
    """What `look` gives as soon as it is true; an AssertionError that says what was waited for otherwise."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, late(what, seconds)
        time.sleep(every)


async def eventually_async(
    what: str, look: Callable[[], Awaitable[T | None]], seconds: float = WAIT_SECONDS, every: float = 0.05
) -> T:
    """The same for a coroutine function, on its event loop."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while True:
        found = await look()
        if found:
            return found
        assert loop.time() < deadline, late(what, seconds)
        await asyncio.sleep(every)


async def until_fits(what: str, read: Callable[[], Awaitable[T]], fits: Callable[[T], bool], every: float = 0.05) -> T:
    """What `read` gives, as soon as it fits."""

    async def look() -> T | None:
        found = await read()
        return found if fits(found) else None

    return await eventually_async(f"{what} is as expected", look, every=every)


def late(what: str, seconds: float) -> str:
    return f"{what}: not within {seconds:.0f} s"
