"""A component as one call finds it, with all that serving the call takes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, TypeAlias

from mcp.server.context import ServerRequestContext
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.prompts import Prompt
from mcp.server.mcpserver.resolve import returns_input_required
from mcp.server.mcpserver.resources.templates import ResourceTemplate
from mcp.server.mcpserver.tools import Tool
from mcp_types import CallToolRequestParams, CallToolResult, InputRequiredResult

from mcptasks.authoring.arguments import (
    check_prompt_arguments,
    check_template_arguments,
    check_tool_arguments,
    refuse_unknown_to_tool,
)
from mcptasks.authoring.declarations import Declared
from mcptasks.authoring.resolvers import ask, may_ask
from mcptasks.model.base import JsonObject
from mcptasks.model.task import Component, ComponentKind
from mcptasks.model.task_config import TaskConfig

Registered: TypeAlias = Tool | Prompt | ResourceTemplate | None
"""What the SDK keeps of a component; None for a resource, of which nothing but the URI counts."""

OpenContext: TypeAlias = Callable[
    [CallToolRequestParams, ServerRequestContext[Any, Any]], AbstractAsyncContextManager[Context[Any, Any]]
]
"""Opens the SDK's context for a request, and with it the scope that the dependencies of a call belong to."""


@dataclass(frozen=True)
class ComponentTarget:
    """A component that a server has, looked up once for one call (`mcptasks.protocol.catalogue.Target`).

    Args:
        component: its kind, and the name or URI that the call gave.
        declared: what its author declared.
        registered: what the SDK keeps of it.
        open_context: opens a context for what a tool asks before it runs.
    """

    component: Component
    declared: Declared
    registered: Registered
    open_context: OpenContext

    @property
    def config(self) -> TaskConfig:
        """How the component runs as a task."""
        return self.declared.config

    @property
    def is_async(self) -> bool:
        """Whether it is a coroutine function, or an object that the SDK awaits."""
        return self.declared.is_async

    @property
    def is_idempotent(self) -> bool:
        """Whether a tool's annotations say that it may run twice without harm."""
        annotations = self.registered.annotations if isinstance(self.registered, Tool) else None
        return bool(annotations and annotations.idempotent_hint)

    @property
    def can_ask(self) -> bool:
        """Whether the component has a way to ask: it gets the `Context`, has resolvers or returns its questions."""
        tool = self.registered
        if not isinstance(tool, Tool):
            return self.component.kind is not ComponentKind.TOOL
        gets_context = tool.context_kwarg or self.declared.needs_context
        return bool(gets_context or tool.resolved_params or returns_input_required(tool.fn))

    def check_arguments(self, arguments: JsonObject) -> None:
        """Check arguments, or the values in a resource's URI, as the component itself would. Raises ArgumentsError."""
        if isinstance(self.registered, Tool):
            check_tool_arguments(self.registered, self.declared, arguments)
        elif isinstance(self.registered, Prompt):
            check_prompt_arguments(self.registered, self.declared, arguments)
        elif isinstance(self.registered, ResourceTemplate):
            check_template_arguments(self.declared, self.registered.matches(self.component.name) or {})

    def refuse_unknown(self, arguments: JsonObject) -> None:
        """Raises ArgumentsError where the caller of a tool names an argument that callers cannot give."""
        if isinstance(self.registered, Tool):
            refuse_unknown_to_tool(self.registered, self.declared, arguments)

    async def ask_first(
        self, params: CallToolRequestParams, ctx: ServerRequestContext[Any, Any]
    ) -> InputRequiredResult | CallToolResult | None:
        """What a tool's resolvers ask, or its error where an answer refuses; None where the tool can run.

        Raises MCPError where the client cannot be asked.
        """
        tool = self.registered
        if not isinstance(tool, Tool) or not may_ask(tool):
            return None
        async with self.open_context(params, ctx) as context:
            return await ask(tool, params.arguments or {}, context)
