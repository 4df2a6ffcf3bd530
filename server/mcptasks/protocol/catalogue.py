"""What the protocol needs to know of the server's components."""

from __future__ import annotations

from typing import Any, Protocol

from mcp.server.context import ServerRequestContext
from mcp_types import CallToolRequestParams, CallToolResult, InputRequiredResult

from mcptasks.model.base import JsonObject
from mcptasks.model.task import Component, ComponentKind
from mcptasks.model.task_config import TaskConfig


class ArgumentsError(ValueError):
    """The arguments do not fit the component; the message is for the caller."""


class Target(Protocol):
    """The component that a call is for, as it is found once for that call."""

    @property
    def component(self) -> Component:
        """Its kind, and the name or URI that the call gave."""
        ...

    @property
    def config(self) -> TaskConfig:
        """How it runs as a task."""
        ...

    @property
    def is_async(self) -> bool:
        """Whether it is a coroutine function, or an object that the SDK awaits."""
        ...

    @property
    def is_idempotent(self) -> bool:
        """Whether it declares that it may run twice without harm."""
        ...

    @property
    def can_ask(self) -> bool:
        """Whether it has a way to ask its caller for input while it runs."""
        ...

    def check_arguments(self, arguments: JsonObject) -> None:
        """Check arguments as the component itself would. Raises ArgumentsError."""
        ...

    async def ask_first(
        self, params: CallToolRequestParams, ctx: ServerRequestContext[Any, Any]
    ) -> InputRequiredResult | CallToolResult | None:
        """What a tool asks before it runs, or its error where an answer refuses; None where it can run.

        Raises MCPError where the client cannot be asked.
        """
        ...


class Catalogue(Protocol):
    """The components of a server, and how they run."""

    def find(self, kind: ComponentKind, name: str) -> Target | None:
        """The component; for the URI of a resource the resource template that it belongs to, where there is one."""
        ...

    def has_tasks(self, kind: ComponentKind) -> bool:
        """Whether any component of the kind runs as a task."""
        ...

    @property
    def authenticates(self) -> bool:
        """Whether callers must present a token, and so can be told apart."""
        ...
