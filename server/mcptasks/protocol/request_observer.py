"""Tells an observer how requests are answered: method, protocol version, outcome and time."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import Protocol

from mcp.server.context import CallNext, HandlerResult
from mcp.server.streamable_http import REQUEST_CANCELLED
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, CallToolResult
from mcp_types.methods import SPEC_CLIENT_METHODS
from mcp_types.version import KNOWN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from mcptasks.protocol.requests import Context
from mcptasks.protocol.versions import TASK_METHODS

OTHER = "other"
METHODS = SPEC_CLIENT_METHODS | TASK_METHODS


class RequestOutcome(StrEnum):
    """How a request was answered."""

    OK = "ok"
    TOOL_ERROR = "tool_error"
    REFUSED = "refused"
    FAILED = "failed"
    CANCELLED = "cancelled"


class RequestObserver(Protocol):
    """Is told of every request that was answered."""

    def answered(self, method: str, era: str, outcome: str, seconds: float) -> None:
        """`method` and `era` (the protocol version) come from bounded sets; `other` stands for the rest."""
        ...


async def observed(observer: RequestObserver, ctx: Context, call_next: CallNext) -> HandlerResult:
    """Answer the request, and tell the observer."""
    started = time.monotonic()
    outcome = RequestOutcome.CANCELLED
    try:
        result = await call_next(ctx)
        outcome = _outcome(result)
        return result
    except Exception as error:
        outcome = _of_error(error)
        raise
    finally:
        method = ctx.method if ctx.method in METHODS else OTHER
        era = ctx.protocol_version if ctx.protocol_version in KNOWN_PROTOCOL_VERSIONS else OTHER
        observer.answered(method, era, outcome.value, time.monotonic() - started)


def _outcome(result: HandlerResult) -> RequestOutcome:
    failed = (
        result.is_error if isinstance(result, CallToolResult) else isinstance(result, dict) and result.get("isError")
    )
    return RequestOutcome.TOOL_ERROR if failed else RequestOutcome.OK


def _of_error(error: Exception) -> RequestOutcome:
    """The outcome of a request that raised. Callers' mistakes are known by their codes; anything else is ours."""
    if isinstance(error, ValidationError):
        return RequestOutcome.REFUSED
    if isinstance(error, MCPError):
        if error.error.code == REQUEST_CANCELLED:
            return RequestOutcome.CANCELLED
        return RequestOutcome.FAILED if error.error.code == INTERNAL_ERROR else RequestOutcome.REFUSED
    return RequestOutcome.FAILED
