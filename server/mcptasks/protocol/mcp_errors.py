"""Failures as JSON-RPC errors, whose texts may be shown to a caller."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from mcp.server.context import HandlerResult
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    ClientCapabilities,
    MissingRequiredClientCapabilityErrorData,
)
from pydantic import ValidationError

from mcptasks.protocol.catalogue import ArgumentsError, Target
from mcptasks.protocol.component_methods import NOUN_OF_KIND
from mcptasks.protocol.requests import Context
from mcptasks.protocol.versions import HAS_TASKS_OF_ALL_KINDS
from mcptasks.tasks.service_errors import (
    InvalidCallError,
    NoLogError,
    NoResultError,
    ServiceError,
    TaskEndedError,
    TaskNotFoundError,
)

logger = logging.getLogger(__name__)

Handler: TypeAlias = Callable[[Context, Any], Awaitable[HandlerResult]]

_INVALID = (TaskNotFoundError, TaskEndedError, NoLogError, NoResultError, InvalidCallError)
"""Mistakes of the caller. All other errors of the service are failures of the server."""


def with_mcp_errors(handler: Handler) -> Handler:
    """The handler with every failure as a JSON-RPC error whose text may be shown to a caller."""

    async def handle(ctx: Context, params: Any) -> HandlerResult:
        try:
            return await handler(ctx, params)
        except Exception as error:
            raise as_mcp_error(error) from error

    return handle


def as_mcp_error(error: Exception) -> Exception:
    """The error for the wire. Unexpected ones are logged and reach the caller without their text."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    if isinstance(error, MCPError | ValidationError):
        return error
    if isinstance(error, ArgumentsError):
        return MCPError(code=INVALID_PARAMS, message=str(error))
    if isinstance(error, ServiceError):
        code = INVALID_PARAMS if isinstance(error, _INVALID) else INTERNAL_ERROR
        return MCPError(code=code, message=str(error), data=error.data)
    logger.error("request failed unexpectedly", exc_info=error)
    return MCPError(code=INTERNAL_ERROR, message="Internal server error")


def not_offered(method: str) -> MCPError:
    """The error for a method that this server does not offer."""
    return MCPError(code=METHOD_NOT_FOUND, message="Method not found", data=method)


def only_as_task(target: Target) -> MCPError:
    """The error for a request to run inline what its author allows as a task only."""
    return MCPError(
        code=METHOD_NOT_FOUND,
        message=f"{label(target)} runs only as a task: send params.task with protocol version {HAS_TASKS_OF_ALL_KINDS}",
    )


def only_with_extension(target: Target, identifier: str) -> MCPError:
    """The error for a call without the extension, of a tool whose author allows it as a task only.

    Code and data are the SDK's `require_client_extension`; its message does not say which tool asks for it.
    """
    required = ClientCapabilities(extensions={identifier: {}})
    data = MissingRequiredClientCapabilityErrorData(required_capabilities=required)
    return MCPError(
        code=MISSING_REQUIRED_CLIENT_CAPABILITY,
        message=f"{label(target)} runs only as a task: declare the extension {identifier!r}",
        data=data.model_dump(by_alias=True, mode="json", exclude_none=True),
    )


def label(target: Target) -> str:
    """What errors call the component."""
    return f"{NOUN_OF_KIND[target.component.kind]} {target.component.name!r}"
