"""What the protocol needs to know of the server's components."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from mcp.server.context import ServerRequestContext
from mcp_types import CallToolRequestParams, CallToolResult, InputRequiredResult

from mcptasks.model.task import Component, ComponentKind, JsonObject
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


METHODS: dict[ComponentKind, str] = {
    ComponentKind.TOOL: "tools/call",
    ComponentKind.PROMPT: "prompts/get",
    ComponentKind.RESOURCE: "resources/read",
    ComponentKind.RESOURCE_TEMPLATE: "resources/read",
}
"""The MCP method that runs each kind of component."""


KINDS: dict[str, ComponentKind] = {
    "tools/call": ComponentKind.TOOL,
    "prompts/get": ComponentKind.PROMPT,
    "resources/read": ComponentKind.RESOURCE,
}
"""The kind of component that each method is for; a resource may turn out to be one of a template."""

NOUNS: dict[ComponentKind, str] = {
    ComponentKind.TOOL: "Tool",
    ComponentKind.PROMPT: "Prompt",
    ComponentKind.RESOURCE: "Resource",
    ComponentKind.RESOURCE_TEMPLATE: "Resource",
}
"""What errors call each kind of component."""


def requested(method: str, params: Mapping[str, Any] | None) -> tuple[ComponentKind, str] | None:
    """The component that a request names; None for a request that names none."""
    kind = KINDS.get(method)
    if kind is None:
        return None
    name = (params or {}).get("uri" if kind is ComponentKind.RESOURCE else "name")
    return (kind, name) if isinstance(name, str) else None


def request_params(kind: ComponentKind, name: str, arguments: JsonObject) -> dict[str, Any]:
    """Params of the method that runs the component."""
    if kind in (ComponentKind.RESOURCE, ComponentKind.RESOURCE_TEMPLATE):
        return {"uri": name}
    return {"name": name, "arguments": arguments}
