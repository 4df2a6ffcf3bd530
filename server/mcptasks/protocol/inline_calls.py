"""Calls that run in the server itself. Those that would outlast it end with an error."""

from __future__ import annotations

import asyncio

import anyio
from mcp.server.context import CallNext, HandlerResult

from mcptasks.protocol.mcp_errors import as_mcp_error
from mcptasks.protocol.requests import Context
from mcptasks.tasks.service_errors import InterruptedCallError


async def run_until_closing(closing: asyncio.Event, call_next: CallNext, ctx: Context) -> HandlerResult:
    """The answer to the request, if it is there before `closing` is set.

    All of the call is in one asyncio task of its own, its dependencies too: what they open has to be closed where it
    was opened.

    Raises:
        MCPError: it is not. The call is cancelled but not waited for: it may be in a thread that nothing can stop.
    """
    call = asyncio.ensure_future(_answer(call_next, ctx))
    closed = asyncio.ensure_future(closing.wait())
    try:
        await asyncio.wait({call, closed}, return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        call.cancel()
        with anyio.CancelScope(shield=True):
            await asyncio.wait({call})
        raise
    finally:
        closed.cancel()
    if call.done():
        return call.result()
    call.add_done_callback(_forget)
    call.cancel()
    raise as_mcp_error(InterruptedCallError())


async def _answer(call_next: CallNext, ctx: Context) -> HandlerResult:
    return await call_next(ctx)


def _forget(call: asyncio.Future[HandlerResult]) -> None:
    """Take the call's exception, which nobody waits for, so that asyncio does not report it."""
    if not call.cancelled():
        call.exception()
