"""What authors give to declare a component, and how it is registered with the SDK.

A source can be registered again under a prefix: on each server that its own server is mounted on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from mcp.server.mcpserver.prompts import Prompt
from mcp.server.mcpserver.resources import FunctionResource, Resource
from mcp.server.mcpserver.tools import Tool

from mcptasks.authoring.functions import function_name, is_async
from mcptasks.model.task import ComponentKind
from mcptasks.protocol.sdk_private import Registration


class ComponentSource(Protocol):
    """What an author gave: a function with options, or an object that the SDK can register as it is."""

    @property
    def kind(self) -> ComponentKind: ...

    @property
    def name(self) -> str:
        """Of a tool or prompt; URI of a resource, URI template of a resource template."""
        ...

    @property
    def function(self) -> Callable[..., Any] | None:
        """The function whose dependencies are resolved; None where the author gave a finished object."""
        ...

    @property
    def is_async(self) -> bool:
        """Whether the SDK awaits it."""
        ...

    def under(self, prefix: str) -> ComponentSource:
        """The same for a server that its own server is mounted on."""
        ...

    def register(self, sdk: Registration, visible: Callable[..., Any]) -> None:
        """Register it. `visible` is the function as callers see it, without its dependencies."""
        ...


@dataclass(frozen=True)
class ToolFunction:
    """A function that is a tool, with the options of `MCPServer.add_tool`."""

    function: Callable[..., Any]
    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    kind: ComponentKind = ComponentKind.TOOL

    @property
    def is_async(self) -> bool:
        return is_async(self.function)

    def under(self, prefix: str) -> ToolFunction:
        return replace(self, name=prefixed_name(prefix, self.name))

    def register(self, sdk: Registration, visible: Callable[..., Any]) -> None:
        sdk.add_tool(visible, self.name, **self.options)


@dataclass(frozen=True)
class FinishedTool:
    """A tool that `MCPServer` was made with, and has therefore registered itself."""

    tool: Tool
    kind: ComponentKind = ComponentKind.TOOL
    function: None = None

    @property
    def name(self) -> str:
        return self.tool.name

    @property
    def is_async(self) -> bool:
        return self.tool.is_async

    def under(self, prefix: str) -> ToolFunction:
        tool = self.tool
        options = {
            "title": tool.title,
            "description": tool.description,
            "annotations": tool.annotations,
            "icons": tool.icons,
            "meta": tool.meta,
            "structured_output": tool.output_schema is not None,
        }
        return ToolFunction(tool.fn, prefixed_name(prefix, tool.name), options)

    def register(self, sdk: Registration, visible: Callable[..., Any]) -> None:
        """It is registered already."""


@dataclass(frozen=True)
class PromptFunction:
    """A function that is a prompt, with the options of `MCPServer.prompt`."""

    function: Callable[..., Any]
    name: str
    options: Mapping[str, Any]
    kind: ComponentKind = ComponentKind.PROMPT

    @property
    def is_async(self) -> bool:
        return is_async(self.function)

    def under(self, prefix: str) -> PromptFunction:
        return replace(self, name=prefixed_name(prefix, self.name))

    def register(self, sdk: Registration, visible: Callable[..., Any]) -> None:
        sdk.prompt(self.name, **self.options)(visible)


@dataclass(frozen=True)
class FinishedPrompt:
    """A prompt as an object."""

    prompt: Prompt
    kind: ComponentKind = ComponentKind.PROMPT
    function: None = None

    @property
    def name(self) -> str:
        return self.prompt.name

    @property
    def is_async(self) -> bool:
        return is_async(self.prompt.fn)

    def under(self, prefix: str) -> FinishedPrompt:
        return replace(self, prompt=self.prompt.model_copy(update={"name": prefixed_name(prefix, self.name)}))

    def register(self, sdk: Registration, visible: Callable[..., Any]) -> None:
        sdk.add_prompt(self.prompt)


@dataclass(frozen=True)
class ResourceFunction:
    """A function that is a resource, or a resource template, with the options of `MCPServer.resource`.

    Args:
        given_name: the name beside the URI; None for the function's name.
    """

    kind: ComponentKind
    function: Callable[..., Any]
    uri: str
    given_name: str | None
    options: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.uri

    @property
    def is_async(self) -> bool:
        return is_async(self.function)

    def under(self, prefix: str) -> ResourceFunction:
        given_name = prefixed_name(prefix, self.given_name or function_name(self.function))
        return replace(self, uri=prefixed_uri(prefix, self.uri), given_name=given_name)

    def register(self, sdk: Registration, visible: Callable[..., Any]) -> None:
        sdk.resource(self.uri, name=self.given_name, **self.options)(visible)


@dataclass(frozen=True)
class FinishedResource:
    """A resource as an object."""

    resource: Resource
    kind: ComponentKind = ComponentKind.RESOURCE
    function: None = None

    @property
    def name(self) -> str:
        return self.resource.uri

    @property
    def is_async(self) -> bool:
        return not (isinstance(self.resource, FunctionResource) and not is_async(self.resource.fn))

    def under(self, prefix: str) -> FinishedResource:
        return replace(self, resource=self.resource.model_copy(update={"uri": prefixed_uri(prefix, self.name)}))

    def register(self, sdk: Registration, visible: Callable[..., Any]) -> None:
        sdk.add_resource(self.resource)


def prefixed_name(prefix: str, name: str) -> str:
    """The name of a mounted tool or prompt: `prefix_name`."""
    return f"{prefix}_{name}" if prefix else name


def prefixed_uri(prefix: str, uri: str) -> str:
    """The URI of a mounted resource: `scheme://prefix/rest`."""
    scheme, separator, rest = uri.partition("://")
    return f"{scheme}{separator}{prefix}/{rest}" if prefix and separator else uri
