"""Servers mounted on another one, which serves all that they have as its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any, Protocol, TypeAlias, TypeVar

from mcp.server.mcpserver import MCPServer

from mcptasks.authoring.declarations import Declared
from mcptasks.model.task_config import DeclarationError

T = TypeVar("T")

Lifespan: TypeAlias = Callable[[MCPServer[T]], AbstractAsyncContextManager[T]]


class Mountable(Protocol):
    """A server that can be mounted, and mounted on: a `TaskServer`."""

    mounts: Mounts

    @property
    def name(self) -> str: ...

    def remove_tool(self, name: str) -> None: ...

    def remove_prompt(self, name: str) -> None: ...

    def own_lifespan(self) -> AbstractAsyncContextManager[Any]: ...


class Mounts:
    """The servers that one server is mounted on (`outer`), and those that are mounted on it."""

    def __init__(self, server: Mountable) -> None:
        self.outer: list[tuple[Mountable, str]] = []
        self._server = server
        self._inner: list[Mountable] = []
        self._states: dict[int, Any] = {}
        self._repeating: object | None = None

    @property
    def home(self) -> object:
        """The server that what is being declared belongs to."""
        return self._repeating or self._server

    def mount(self, server: Mountable, prefix: str, declared: Iterable[Declared]) -> None:
        """Declare all that the other server has, and what it will have."""
        if server is self._server or self._server in server.mounts.all():
            raise DeclarationError(f"server {server.name!r} cannot be mounted on itself")
        if not prefix.isidentifier() and prefix:
            raise DeclarationError(f"mount(prefix={prefix!r}): use letters, digits and underscores")
        for component in declared:
            self._repeat(component, prefix)
        self._inner.append(server)
        server.mounts.outer.append((self._server, prefix))

    def all(self) -> list[Mountable]:
        """All servers that are mounted on this one, on whatever level, each once."""
        found: dict[int, Mountable] = {}
        for server in self._inner:
            found |= {id(each): each for each in (server, *server.mounts.all())}
        return list(found.values())

    def pass_on(self, declared: Declared) -> None:
        """Declare a new component on the servers that this one is mounted on."""
        for server, prefix in self.outer:
            server.mounts._repeat(declared, prefix)

    def _repeat(self, declared: Declared, prefix: str) -> None:
        with self._at_home(declared.home):
            declared.repeat(self._server, prefix)

    @contextmanager
    def _at_home(self, home: object) -> Iterator[None]:
        before, self._repeating = self._repeating, home
        try:
            yield
        finally:
            self._repeating = before

    @asynccontextmanager
    async def alive(self) -> AsyncIterator[None]:
        """Run the lifespans of the mounted servers."""
        async with AsyncExitStack() as stack:
            for server in self.all():
                self._states[id(server)] = await stack.enter_async_context(server.own_lifespan())
            yield

    def state(self, server: object) -> Any:
        """What the lifespan of a mounted server yields. Raises RuntimeError where it does not run."""
        try:
            return self._states[id(server)]
        except KeyError:
            name = getattr(server, "name", server)
            raise RuntimeError(f"server {name!r} was mounted after the start: its lifespan does not run") from None
