"""The methods of MCP that run components, and how their params name a component."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcptasks.model.base import JsonObject
from mcptasks.model.task import ComponentKind

METHOD_OF_KIND: dict[ComponentKind, str] = {
    ComponentKind.TOOL: "tools/call",
    ComponentKind.PROMPT: "prompts/get",
    ComponentKind.RESOURCE: "resources/read",
    ComponentKind.RESOURCE_TEMPLATE: "resources/read",
}
"""The MCP method that runs each kind of component."""

KIND_OF_METHOD: dict[str, ComponentKind] = {
    "tools/call": ComponentKind.TOOL,
    "prompts/get": ComponentKind.PROMPT,
    "resources/read": ComponentKind.RESOURCE,
}
"""The kind of component that each method is for; a resource may turn out to be one of a template."""

NOUN_OF_KIND: dict[ComponentKind, str] = {
    ComponentKind.TOOL: "Tool",
    ComponentKind.PROMPT: "Prompt",
    ComponentKind.RESOURCE: "Resource",
    ComponentKind.RESOURCE_TEMPLATE: "Resource",
}
"""What errors call each kind of component."""


def requested(method: str, params: Mapping[str, Any] | None) -> tuple[ComponentKind, str] | None:
    """The component that a request names; None for a request that names none."""
    kind = KIND_OF_METHOD.get(method)
    if kind is None:
        return None
    name = (params or {}).get("uri" if kind is ComponentKind.RESOURCE else "name")
    return (kind, name) if isinstance(name, str) else None


def request_params(kind: ComponentKind, name: str, arguments: JsonObject) -> dict[str, Any]:
    """Params of the method that runs the component."""
    if kind in (ComponentKind.RESOURCE, ComponentKind.RESOURCE_TEMPLATE):
        return {"uri": name}
    return {"name": name, "arguments": arguments}
