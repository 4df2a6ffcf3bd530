"""Where the synchronous code of a call runs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, Protocol

import anyio


class CallSync(Protocol):
    """Runs a synchronous function somewhere and gives its result; what it raises is raised here.

    `closing` marks clean-up, which runs even where the process has been asked to end.
    """

    def __call__(self, fn: Callable[[], Any], *, closing: bool = False) -> Awaitable[Any]: ...


async def call_here(fn: Callable[[], Any], *, closing: bool = False) -> Any:
    """Call the function where the loop runs."""
    return fn()


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
