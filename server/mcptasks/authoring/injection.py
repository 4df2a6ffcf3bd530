"""Resolving the dependencies of one call, in the server and in a Job alike.

A `CallScope` is open around each call: it knows what dependencies may ask for, resolves them before the function runs,
and closes them, last one first, after the result is serialised. All synchronous code of a call, its dependencies and
the function itself, runs in one thread: the Pod's main thread in a Job, a thread of the call's own in the server. The
dependencies of an asynchronous function run on its event loop.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    AsyncExitStack,
    ExitStack,
    asynccontextmanager,
    contextmanager,
)
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial, update_wrapper, wraps
from types import TracebackType
from typing import Any, Protocol

import anyio
import uncalled_for
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR
from uncalled_for import (
    FailedDependency,
    SharedContext,
    get_annotation_dependencies,
    get_call_argument_parameters,
    get_dependency_parameters,
    resolved_dependencies,
)

from mcptasks.authoring.functions import is_async
from mcptasks.model.task import Principal
from mcptasks.model.task_config import DeclarationError

logger = logging.getLogger(__name__)

CLEAN_UP_SECONDS = 5.0
"""How long the dependencies of a cancelled call may take to close."""


class CallSync(Protocol):
    """Runs a synchronous function somewhere and gives its result; what it raises is raised here.

    `closing` marks clean-up, which runs even where the process has been asked to end.
    """

    def __call__(self, fn: Callable[[], Any], *, closing: bool = False) -> Awaitable[Any]: ...


async def call_here(fn: Callable[[], Any], *, closing: bool = False) -> Any:
    """Call the function where the loop runs."""
    return fn()


@dataclass(frozen=True)
class TaskInfo:
    """The task that a function runs for. Where it runs inline there is none: `id` and `deadline` are None.

    Args:
        id: the task's id, which is also the name of its McpTask.
        attempt: 1 for the first run, more after a crash or an eviction.
        deadline: when the run will be ended, UTC.
        cancelled: set as soon as the call is cancelled, for threads and loops that have to find out themselves.
        log: a logger whose lines are in the Pod's log, with the task's id.
    """

    id: str | None = None
    attempt: int = 1
    deadline: datetime | None = None
    cancelled: threading.Event = field(default_factory=threading.Event)
    log: logging.Logger = field(default_factory=lambda: logging.getLogger("mcptasks.tool"))


@dataclass(frozen=True)
class CallFacts:
    """What the dependencies of a call may know of it: its task, who called, and headers that may be known."""

    task: TaskInfo = field(default_factory=TaskInfo)
    principal: Principal | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


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


class CallScope:
    """One call: what its dependencies may know, and those of them that are open."""

    def __init__(self, facts: CallFacts, call_sync: CallSync | None = None) -> None:
        self.facts = facts
        self.call_sync = call_sync
        self.context: Any = None
        self.taken = False
        self._synchronous = False
        self._thread: CallThread | None = None
        self._open: AbstractAsyncContextManager[dict[str, Any]] | None = None
        self._failure: BaseException | None = None

    async def call(self, fn: Callable[..., Any], arguments: dict[str, Any]) -> Any:
        """Resolve the function's dependencies and call it; they stay open until the scope closes."""
        self._synchronous = not is_async(fn)
        try:
            dependencies = await self._resolve(fn, arguments)
            if self._synchronous:
                return await self.run_sync(partial(fn, **arguments, **dependencies))
            return await fn(**arguments, **dependencies)
        except BaseException as error:
            self.failed(error)
            raise

    async def _resolve(self, fn: Callable[..., Any], arguments: dict[str, Any]) -> dict[str, Any]:
        self._open = resolved_dependencies(fn, arguments)
        dependencies = await self._open.__aenter__()
        for value in dependencies.values():
            if isinstance(value, FailedDependency):
                raise value.error
        return dependencies

    async def run_sync(self, fn: Callable[[], Any], *, closing: bool = False) -> Any:
        """Run synchronous code of the call where all of it runs."""
        if not self._synchronous:
            return fn()
        if self.call_sync is not None:
            return await self.call_sync(fn, closing=closing)
        if self._thread is None:
            self._thread = CallThread(self.facts.task.cancelled)
        return await self._thread(fn)

    def failed(self, error: BaseException) -> None:
        """Remember what the call failed with, for the dependencies that want to know; the first one counts."""
        self._failure = self._failure or error

    async def close(self) -> None:
        """Close what is open, last one first.

        Raises:
            MCPError: a dependency could not be closed after the function had succeeded: the call failed after all.
        """
        failure = self._failure
        if isinstance(failure, asyncio.CancelledError):
            self.facts.task.cancelled.set()
        try:
            if failure is None or isinstance(failure, Exception):
                # No scope around it: a task group that a dependency has opened must be the innermost one.
                await self._close_dependencies(failure)
            else:
                with anyio.move_on_after(CLEAN_UP_SECONDS, shield=True):
                    await self._close_dependencies(failure)
        finally:
            if self._thread is not None:
                self._thread.close()

    async def _close_dependencies(self, failure: BaseException | None) -> None:
        if self._open is None:
            return
        dependencies, self._open = self._open, None
        try:
            await dependencies.__aexit__(
                None if failure is None else type(failure), failure, None if failure is None else failure.__traceback__
            )
        except Exception as error:
            if error is failure:
                return
            logger.error("a dependency could not be closed", exc_info=error)
            if failure is None and isinstance(error, MCPError):
                raise
            if failure is None:
                raise MCPError(code=INTERNAL_ERROR, message="A dependency of the call could not be closed") from error
        except BaseException as error:
            if error is not failure:
                raise


_SCOPE: ContextVar[CallScope] = ContextVar("mcptasks_call")


def current_scope() -> CallScope:
    """The call that is going on. Raises RuntimeError outside of one."""
    try:
        return _SCOPE.get()
    except LookupError:
        raise RuntimeError(
            "Dependencies are resolved only in calls of a TaskServer's tools, prompts and resources; "
            "where you call the function yourself, pass their values as arguments"
        ) from None


@asynccontextmanager
async def call_scope(
    facts: CallFacts, shared: SharedValues, call_sync: CallSync | None = None
) -> AsyncIterator[CallScope]:
    """The scope of one call; its dependencies are closed at the end."""
    async with AsyncExitStack() as stack:
        if not shared.is_open:
            await stack.enter_async_context(shared.open())
        stack.enter_context(shared.visible())
        scope = CallScope(facts, call_sync)
        token = _SCOPE.set(scope)
        try:
            yield scope
        except BaseException as error:
            scope.failed(error)
            await scope.close()
            raise
        else:
            await scope.close()
        finally:
            _SCOPE.reset(token)


@asynccontextmanager
async def component_scope(shared: SharedValues, context: Any) -> AsyncIterator[CallScope]:
    """The scope for running one component: the request's, or one of its own within another component's call."""
    async with AsyncExitStack() as stack:
        outer = _SCOPE.get(None)
        if outer is not None and not outer.taken:
            scope = outer
        else:
            facts, call_sync = (outer.facts, outer.call_sync) if outer is not None else (CallFacts(), None)
            scope = await stack.enter_async_context(call_scope(facts, shared, call_sync))
        scope.taken, scope.context = True, context
        try:
            yield scope
        except Exception as error:
            scope.failed(error.__cause__ or error)
            raise


def injected_names(fn: Callable[..., Any]) -> frozenset[str]:
    """The function's parameters that are dependencies.

    Raises:
        DeclarationError: its dependencies cannot be resolved as they are declared.
    """
    name = getattr(fn, "__name__", type(fn).__name__)
    try:
        uncalled_for.validate_dependencies(fn)
        names = frozenset(get_dependency_parameters(fn))
        loose = get_call_argument_parameters(fn)
    except (TypeError, ValueError) as error:
        raise DeclarationError(f"{name}: {error}") from error
    if loose:
        missing = ", ".join(repr(parameter.name) for parameter in loose)
        raise DeclarationError(
            f"{name}: a dependency asks for the argument {missing}, which {name} does not have: add that parameter"
        )
    return names


def without_injected(fn: Callable[..., Any]) -> Callable[..., Any]:
    """The function as callers see it: without its dependencies, which are resolved by the call's scope.

    A function without dependencies is itself.
    """
    names = injected_names(fn)
    if not names and not get_annotation_dependencies(fn):
        return fn
    try:
        signature = inspect.signature(fn, eval_str=True)
    except NameError as error:
        raise DeclarationError(
            f"{getattr(fn, '__name__', fn)}: an annotation cannot be evaluated: {error}; "
            "import that name at module level"
        ) from error

    @wraps(fn)
    async def call(**arguments: Any) -> Any:
        return await current_scope().call(fn, arguments)

    kept = [parameter for name, parameter in signature.parameters.items() if name not in names]
    annotations = {p.name: p.annotation for p in kept if p.annotation is not inspect.Parameter.empty}
    if signature.return_annotation is not inspect.Signature.empty:
        annotations["return"] = signature.return_annotation
    call.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]
    call.__annotations__ = annotations
    return call


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


class CallThread:
    """The thread of one inline call: all its synchronous code runs there, one piece after the other."""

    def __init__(self, cancelled: threading.Event) -> None:
        self._cancelled = cancelled
        self._executor = ThreadPoolExecutor(1, "mcptasks-call")

    async def __call__(self, fn: Callable[[], Any], *, closing: bool = False) -> Any:
        """Run it there. A cancelled call is told so, and waited for: nothing may be closed under a running function."""
        future = self._executor.submit(copy_context().run, _contained, fn)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            self._cancelled.set()
            with anyio.CancelScope(shield=True):
                await asyncio.wait([asyncio.wrap_future(future)])
            raise

    def close(self) -> None:
        """Let the thread end once it has nothing to do."""
        self._executor.shutdown(wait=False)


def _contained(fn: Callable[[], Any]) -> Any:
    """What the function returns; what would end a loop or a process is an error like any other."""
    try:
        return fn()
    except StopIteration as error:
        raise RuntimeError("the function raised StopIteration") from error
    except Exception:
        raise
    except BaseException as error:
        raise RuntimeError(f"the function ended with {type(error).__name__}") from error
