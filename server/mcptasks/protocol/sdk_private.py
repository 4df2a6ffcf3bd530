"""All that is used of the MCP SDK's private parts, each with the reason, and with what would make it unnecessary.

Nothing else in mcptasks names a private attribute or module of the SDK; a test sees to that. The numbers are issues and
pull requests of https://github.com/modelcontextprotocol/python-sdk. Read with version 2.3.0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from mcp.server.auth.provider import TokenVerifier
from mcp.server.lowlevel import Server
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.prompts import Prompt
from mcp.server.mcpserver.resources import Resource
from mcp.server.mcpserver.resources.templates import ResourceTemplate
from mcp.server.mcpserver.tools import Tool
from mcp.server.subscriptions import SubscriptionBus

_Function = TypeVar("_Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class ServerInternals:
    """The private parts of one `MCPServer`."""

    server: MCPServer[Any]

    def tool(self, name: str) -> Tool | None:
        """The tool of that name.

        Reason: arguments are checked, and resolvers run, before a task exists; both takes the SDK's own `Tool`, of
        which `list_tools()` gives only what callers see. Issue 3162 asks for `MCPServer.get_tool`; pull request 3233
        would have added it and is closed.
        """
        return self.server._tool_manager.get_tool(name)

    def tools(self) -> list[Tool]:
        """All tools.

        Reason: the runner makes synchronous functions run in its main thread. No upstream issue known; we would ask
        for a hook through which the SDK calls synchronous functions.
        """
        return self.server._tool_manager.list_tools()

    def prompt(self, name: str) -> Prompt | None:
        """The prompt of that name.

        Reason: as for `tool`. No upstream issue known; we would ask for the same for prompts.
        """
        return self.server._prompt_manager.get_prompt(name)

    def prompts(self) -> list[Prompt]:
        """All prompts. Reason and wish: as for `tools`."""
        return self.server._prompt_manager.list_prompts()

    def resources(self) -> list[Resource]:
        """All resources. Reason and wish: as for `tools`."""
        return self.server._resource_manager.list_resources()

    def templates(self) -> list[ResourceTemplate]:
        """All resource templates, in the order in which the SDK asks them.

        Reason: which template a URI belongs to decides how the URI is read, and only the SDK's own `ResourceTemplate`
        can match it. No upstream issue known; we would ask for a public `match(uri)`.
        """
        return self.server._resource_manager.list_templates()

    @property
    def lowlevel(self) -> Server[Any]:
        """The low-level server.

        Reason: one of its handlers is wrapped, and the runner runs a request by its handler and opens the lifespan.
        Its own methods for that are public, `MCPServer` gives no access to it. Issue 2135 asks for public registration
        of handlers, which the low-level server has by now and `MCPServer` has not.
        """
        return self.server._lowlevel_server

    @property
    def subscriptions(self) -> SubscriptionBus:
        """Where `ctx.notify_...` publishes.

        Reason: a `Context` that is made outside of the SDK's handlers needs it. No upstream issue known; we would ask
        for a public way to make a `Context` of a request.
        """
        return self.server._subscriptions

    @property
    def token_verifier(self) -> TokenVerifier | None:
        """What verifies the callers' tokens.

        Reason: operators configure it when the server starts, after the program has made it, and `MCPServer` takes it
        only when it is made. No upstream issue known; we would ask for a setter beside the public `settings.auth`.
        """
        return self.server._token_verifier

    def verify_tokens_with(self, verifier: TokenVerifier) -> None:
        """Set the verifier, before the endpoint is made. Reason and wish: as for `token_verifier`."""
        self.server._token_verifier = verifier


class Registration:
    """Registers components as `MCPServer` itself does, whatever a subclass makes of the methods for it.

    Reason: the SDK's decorators for prompts and resources call the public `add_prompt` and `add_resource` of the server
    that they belong to, so a subclass that has overridden these would be asked a second time. Here the decorators
    belong to an object that stands for the server and has the SDK's own methods. No upstream issue known; we would ask
    for public constructors of all components (`Tool.from_function` and the like exist, the checks of `resource` are in
    the decorator).
    """

    def __init__(self, server: MCPServer[Any]) -> None:
        self._server = server

    def __getattr__(self, name: str) -> Any:
        return getattr(self._server, name)

    def add_tool(self, fn: Callable[..., Any], name: str, **options: Any) -> None:
        """Register a tool."""
        MCPServer.add_tool(self._server, fn, name, **options)

    def add_prompt(self, prompt: Prompt) -> None:
        """Register a prompt."""
        MCPServer.add_prompt(self._server, prompt)

    def add_resource(self, resource: Resource) -> None:
        """Register a resource."""
        MCPServer.add_resource(self._server, resource)

    def tool(self, name: str) -> Tool | None:
        """The registered tool. Reason and wish: as for `ServerInternals.tool`."""
        return self._server._tool_manager.get_tool(name)

    def remove_tool(self, name: str) -> None:
        """Remove a tool. Raises ToolError where there is none."""
        MCPServer.remove_tool(self._server, name)

    def remove_prompt(self, name: str) -> None:
        """Remove a prompt. Raises ValueError where there is none."""
        MCPServer.remove_prompt(self._server, name)

    def prompt(self, name: str, **options: Any) -> Callable[[_Function], _Function]:
        """Decorator that registers a prompt."""
        return MCPServer.prompt(cast("MCPServer[Any]", self), name, **options)

    def resource(self, uri: str, **options: Any) -> Callable[[_Function], _Function]:
        """Decorator that registers a resource or a resource template."""
        return MCPServer.resource(cast("MCPServer[Any]", self), uri, **options)
