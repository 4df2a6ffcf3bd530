"""The factories of dependencies, as `uncalled_for` calls them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial, update_wrapper
from types import TracebackType
from typing import Any

from mcptasks.authoring.call_scope import CallScope, current_scope
from mcptasks.authoring.functions import is_async


class Factory:
    """A dependency's factory, as `uncalled_for` is to call it: synchronous code runs where the call's other code does.

    Equal for the same function, so that a call makes one value of it.
    """

    def __init__(self, fn: Callable[..., Any]) -> None:
        update_wrapper(self, fn)
        self.fn = fn

    def __call__(self, **arguments: Any) -> AbstractAsyncContextManager[Any]:
        return _Made(self.fn, arguments)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Factory) and self.fn == other.fn

    def __hash__(self) -> int:
        return hash(self.fn)


@dataclass(eq=False)
class _Made(AbstractAsyncContextManager[Any]):
    """What a factory makes, entered if it is a context manager."""

    fn: Callable[..., Any]
    arguments: dict[str, Any]
    entered: AbstractAsyncContextManager[Any] | AbstractContextManager[Any] | None = None
    scope: CallScope = field(default_factory=current_scope)

    async def __aenter__(self) -> Any:
        if is_async(self.fn):
            # As everywhere, what was awaited is the value itself.
            return await self.fn(**self.arguments)
        value = await self._made()
        if isinstance(value, AbstractAsyncContextManager):
            entered = await value.__aenter__()
            self.entered = value
            return entered
        if isinstance(value, AbstractContextManager):
            entered = await self.scope.run_sync(value.__enter__)
            self.entered = value
            return entered
        return await value if inspect.isawaitable(value) else value

    async def _made(self) -> Any:
        if inspect.isasyncgenfunction(self.fn):
            return asynccontextmanager(self.fn)(**self.arguments)
        if inspect.isgeneratorfunction(self.fn):
            return contextmanager(self.fn)(**self.arguments)
        return await self.scope.run_sync(partial(self.fn, **self.arguments))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        if isinstance(self.entered, AbstractAsyncContextManager):
            return await self.entered.__aexit__(kind, error, trace)
        if self.entered is not None:
            leave = partial(self.entered.__exit__, kind, error, trace)
            return bool(await self.scope.run_sync(leave, closing=True))
        return None
