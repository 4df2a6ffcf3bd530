"""What the wire layer needs to know of the server's components."""

from __future__ import annotations

from typing import Any, Protocol

from mcptasks.config import TaskConfig
from mcptasks.resources import ComponentKind, JsonObject


class ArgumentsError(ValueError):
    """The arguments do not fit the component; the message is for the caller."""


class Catalogue(Protocol):
    """The components of a server, and how they run."""

    def task_config(self, kind: ComponentKind, name: str) -> TaskConfig | None:
        """How the component runs as a task; None where there is no such component."""
        ...

    def check_arguments(self, kind: ComponentKind, name: str, arguments: JsonObject) -> None:
        """Check arguments as the component itself would. Raises ArgumentsError."""
        ...

    def is_idempotent(self, kind: ComponentKind, name: str) -> bool:
        """Whether the component declares that it may run twice without harm."""
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


def request_params(kind: ComponentKind, name: str, arguments: JsonObject) -> dict[str, Any]:
    """Params of the method that runs the component."""
    if kind in (ComponentKind.RESOURCE, ComponentKind.RESOURCE_TEMPLATE):
        return {"uri": name}
    return {"name": name, "arguments": arguments}
