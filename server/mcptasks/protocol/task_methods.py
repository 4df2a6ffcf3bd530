"""A method about tasks, as one protocol version serves it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from mcp.server.context import HandlerResult
from pydantic import BaseModel

from mcptasks.protocol.requests import Context

VersionT = TypeVar("VersionT")
"""What serves the requests of one protocol version."""


@dataclass(frozen=True)
class TaskMethod(Generic[VersionT]):
    """How a version serves a method.

    Args:
        params_type: the model of the method's params.
        serve: gives the answer to a request; may raise whatever the service raises.
        versions: the protocol versions that the method is served for.
    """

    params_type: type[BaseModel]
    serve: Callable[[VersionT, Context, Any], Awaitable[HandlerResult]]
    versions: frozenset[str]
