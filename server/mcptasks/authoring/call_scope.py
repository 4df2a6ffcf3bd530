"""The scope of one call, in the server and in a Job alike.

A `CallScope` is open around each call: it knows what dependencies may ask for, resolves them before the function runs,
and closes them, last one first, after the result is serialised. All synchronous code of a call, its dependencies and
the function itself, runs in one thread: the Pod's main thread in a Job, a thread of the call's own in the server. The
dependencies of an asynchronous function run on its event loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

import anyio
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR
from uncalled_for import FailedDependency, resolved_dependencies

from mcptasks.authoring.call_errors import shown
from mcptasks.authoring.call_facts import CallFacts
from mcptasks.authoring.call_thread import CallSync, CallThread
from mcptasks.authoring.functions import is_async
from mcptasks.authoring.progress import ProgressListener
from mcptasks.authoring.shared_values import SharedValues

logger = logging.getLogger(__name__)

CLEAN_UP_SECONDS = 5.0
"""How long the dependencies of a cancelled call may take to close."""


class CallScope:
    """One call: what its dependencies may know, and those of them that are open.

    Args:
        call_sync: where its synchronous code runs; None for a thread of the call's own.
        report: where its progress goes; None for the request that it belongs to.
    """

    def __init__(
        self, facts: CallFacts, call_sync: CallSync | None = None, report: ProgressListener | None = None
    ) -> None:
        self.facts = facts
        self.call_sync = call_sync
        self.report = report
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
        opening = resolved_dependencies(fn, arguments)
        dependencies = await opening.__aenter__()
        # Not before: what cannot be opened has closed itself.
        self._open = opening
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

    @property
    def failure(self) -> BaseException | None:
        """What the call failed with, if it did."""
        return self._failure

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
            with ends_no_server():
                await dependencies.__aexit__(
                    None if failure is None else type(failure),
                    failure,
                    None if failure is None else failure.__traceback__,
                )
        except Exception as error:
            if failure is not None and failure in (error, error.__cause__):
                return
            logger.error("a dependency could not be closed", exc_info=error)
            if failure is None and isinstance(error, MCPError):
                raise
            if failure is None:
                message = shown("A dependency of the call could not be closed", error, self.facts)
                raise MCPError(code=INTERNAL_ERROR, message=message) from error
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
    facts: CallFacts,
    shared: SharedValues,
    call_sync: CallSync | None = None,
    report: ProgressListener | None = None,
) -> AsyncIterator[CallScope]:
    """The scope of one call; its dependencies are closed at the end."""
    async with AsyncExitStack() as stack:
        if not shared.is_open:
            await stack.enter_async_context(shared.open())
        stack.enter_context(shared.visible())
        scope = CallScope(facts, call_sync, report)
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


class EndedCallError(RuntimeError):
    """A component has raised what is no `Exception`, which would end its process or all that is served there."""


@contextmanager
def ends_no_server() -> Iterator[None]:
    """In a server a component ends its own call alone, whatever it raises: the calls of others are there too.

    The SDK takes an `Exception` for the call's error, and anything else ends what serves all calls: SystemExit, a group
    that has it, `pytest.fail`, a panic of Rust. In a Pod of its own the component may end the process.

    A `CancelledError` that nobody has asked for comes of something that the component has cancelled itself and then
    waited for. It is an error of the component, in a Pod too: as a cancellation it would leave the call without answer.

    Raises:
        EndedCallError: for what is no `Exception`.
        CancelledError: where the call is cancelled, for a group that has one too.
    """
    try:
        yield
    except (Exception, GeneratorExit):
        raise
    except asyncio.CancelledError as error:
        if _is_cancelled():
            raise
        raise EndedCallError("the function ended with CancelledError, and its call was not cancelled") from error
    except BaseException as error:
        if current_scope().call_sync is not None:
            raise
        is_group = isinstance(error, BaseExceptionGroup) and error.subgroup(asyncio.CancelledError) is not None
        if is_group and _is_cancelled():
            raise asyncio.CancelledError from error
        raise EndedCallError(f"the function ended with {type(error).__name__}") from error


def _is_cancelled() -> bool:
    """Whether somebody has asked the current asyncio task to end. Scopes of anyio do so too."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


@asynccontextmanager
async def component_scope(shared: SharedValues, context: Any) -> AsyncIterator[CallScope]:
    """The scope for running one component: the request's, or one of its own within another component's call."""
    async with AsyncExitStack() as stack:
        outer = _SCOPE.get(None)
        if outer is not None and not outer.taken:
            scope = outer
        else:
            inner = (
                call_scope(CallFacts(), shared)
                if outer is None
                else call_scope(outer.facts, shared, outer.call_sync, outer.report)
            )
            scope = await stack.enter_async_context(inner)
        scope.taken, scope.context = True, context
        try:
            yield scope
        except Exception as error:
            scope.failed(error.__cause__ or error)
            raise
