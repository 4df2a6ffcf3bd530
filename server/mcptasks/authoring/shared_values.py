"""The values of `Shared` dependencies, which outlive the calls that use them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from typing import Any

from uncalled_for import SharedContext


class SharedValues:
    """The values of `Shared` dependencies, for as long as the server's lifespan lasts."""

    def __init__(self) -> None:
        self._open: list[tuple[dict[Any, Any], asyncio.Lock, AsyncExitStack]] = []

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Keep values until the end of the context, and then close them, last one first."""
        async with AsyncExitStack() as stack:
            entry: tuple[dict[Any, Any], asyncio.Lock, AsyncExitStack] = ({}, asyncio.Lock(), stack)
            self._open.append(entry)
            try:
                yield
            finally:
                self._open.remove(entry)

    @property
    def is_open(self) -> bool:
        return bool(self._open)

    @contextmanager
    def visible(self) -> Iterator[None]:
        """Let `Shared` dependencies that are resolved in this context find the values."""
        values, lock, stack = self._open[-1]
        with ExitStack() as variables:
            variables.callback(SharedContext.resolved.reset, SharedContext.resolved.set(values))
            variables.callback(SharedContext.lock.reset, SharedContext.lock.set(lock))
            variables.callback(SharedContext.stack.reset, SharedContext.stack.set(stack))
            yield
