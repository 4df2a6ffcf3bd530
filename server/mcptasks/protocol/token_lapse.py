"""Streams end with the access token that opened them: it has expired, or has been revoked."""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable
from typing import TypeAlias, TypeVar

import anyio
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR

from mcptasks.protocol.requests import Context

T = TypeVar("T")

TOKEN_CHECK = "mcptasks.token-check"
"""Where the ASGI scope of a request has a function that says whether its token is still valid."""

CHECK_SECONDS = 5.0
"""How often an open stream looks whether its token has been revoked."""

TokenCheck: TypeAlias = Callable[[], Awaitable[bool]]


async def token_lapse(ctx: Context) -> None:
    """Returns once the token of the request is not valid any more; never for a request without one."""
    token = get_access_token()
    if token is None:
        await anyio.sleep_forever()
        return
    is_valid: TokenCheck | None = ctx.request.scope.get(TOKEN_CHECK) if ctx.request is not None else None
    until = math.inf if token.expires_at is None else float(token.expires_at)
    while (left := until - time.time()) > 0:
        if is_valid is not None and not await is_valid():
            return
        await anyio.sleep(min(left, CHECK_SECONDS))


async def while_token_is_valid(ctx: Context, work: Awaitable[T]) -> T:
    """What the work comes to. Raises MCPError where the token of the request lapses before that."""
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(_end_at_lapse, ctx, group.cancel_scope)
            result = await work
            group.cancel_scope.cancel()
            return result
    except BaseExceptionGroup as errors:
        if len(errors.exceptions) == 1:
            raise errors.exceptions[0] from None
        raise
    # The scope was cancelled, and took the work with it.
    raise MCPError(
        code=INTERNAL_ERROR,
        message="The access token is not valid any more: ask again with another one",
        data={"reason": "TokenLapsed"},
    )


async def _end_at_lapse(ctx: Context, scope: anyio.CancelScope) -> None:
    await token_lapse(ctx)
    scope.cancel()
