"""The lifespans of a server and of those that are mounted on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, TypeAlias, TypeVar

from mcp.server.mcpserver import MCPServer

from mcptasks.authoring.registrar import Registrar
from mcptasks.authoring.shared_values import SharedValues

T = TypeVar("T")

Lifespan: TypeAlias = Callable[[MCPServer[T]], AbstractAsyncContextManager[T]]


class Lifespans:
    """Runs the author's lifespan, those of mounted servers within it, and keeps the values of `Shared` in them all."""

    def __init__(self, registrar: Registrar, shared: SharedValues) -> None:
        self._registrar = registrar
        self._shared = shared
        self._states: dict[int, Any] = {}

    @asynccontextmanager
    async def open(self, _: MCPServer[Any]) -> AsyncIterator[Any]:
        """The lifespan of the server as the SDK runs it; yields what the author's own lifespan yields."""
        async with AsyncExitStack() as stack:
            state = await stack.enter_async_context(self._registrar.server.own_lifespan())
            for mounted in self._registrar.mounted():
                own = mounted.server.own_lifespan()
                self._states[id(mounted.server)] = await stack.enter_async_context(own)
            await stack.enter_async_context(self._shared.open())
            yield state

    def state_of(self, server: object) -> Any:
        """What the lifespan of a mounted server yields. Raises RuntimeError where it does not run."""
        try:
            return self._states[id(server)]
        except KeyError:
            name = getattr(server, "name", server)
            raise RuntimeError(f"server {name!r} was mounted after the start: its lifespan does not run") from None


@asynccontextmanager
async def empty_lifespan(_: MCPServer[Any]) -> AsyncIterator[dict[str, Any]]:
    """The lifespan of a server whose author gave none."""
    yield {}
