"""`mcptasks tools`: what an MCP server has, and how to call it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import typer

from mcptasks.cli.command_errors import as_cli_error, usage_error
from mcptasks.cli.server_options import HeaderOption, ProtocolOption, ServerOptions, TokenOption, UrlArgument
from mcptasks.cli.terminal_text import tell
from mcptasks.cli.tool_signature import Listed, call_line, component_text
from mcptasks.client import Client, ClientError, ListedPrompt, ListedResource, Tool
from mcptasks.diagnostics.visible_text import visible_json, visible_line
from mcptasks.network.shown_urls import shown_url


class ToolsFormat(StrEnum):
    """How to print tools."""

    TEXT = "text"
    JSON = "json"
    NAME = "name"


@dataclass(frozen=True)
class ServerContents:
    """What a server has."""

    tools: Sequence[Tool] = ()
    prompts: Sequence[ListedPrompt] = ()
    resources: Sequence[ListedResource] = ()

    @property
    def sections(self) -> list[tuple[str, Sequence[Listed]]]:
        """What there is of each kind, with a heading."""
        named: list[tuple[str, Sequence[Listed]]] = [
            ("Tools", self.tools),
            ("Prompts", self.prompts),
            ("Resources", self.resources),
        ]
        return [(heading, components) for heading, components in named if components]


def command(
    url: UrlArgument,
    prompts: Annotated[bool, typer.Option("--prompts", help="List prompts alone.")] = False,
    resources: Annotated[bool, typer.Option("--resources", help="List resources alone.")] = False,
    protocol: ProtocolOption = "auto",
    header: HeaderOption = None,
    token: TokenOption = None,
    output: Annotated[
        ToolsFormat,
        typer.Option(
            "--output", "-o", help="text; name, or json for the unchanged list: of tools, unless an option says else."
        ),
    ] = ToolsFormat.TEXT,
) -> None:
    """List the tools of an MCP server, and its prompts and resources: what they take, what they do, how to call one.

    \b
    Example:
      mcptasks tools http://127.0.0.1:8000/mcp
      mcptasks tools http://127.0.0.1:8000/mcp -o json
      mcptasks tools http://127.0.0.1:8000/mcp --prompts
    """
    if prompts and resources:
        raise usage_error("--prompts and --resources exclude each other; without them all is listed")
    client = ServerOptions(url, token, header or (), protocol).client()
    everything = output is ToolsFormat.TEXT and not (prompts or resources)
    with as_cli_error(ClientError):
        found = asyncio.run(
            _components(
                client,
                tools=not (prompts or resources),
                prompts=prompts or everything,
                resources=resources or everything,
            )
        )
    listed: list[Listed] = [*found.tools, *found.prompts, *found.resources]
    if output is ToolsFormat.JSON:
        typer.echo(visible_json([component.raw for component in listed], indent=2))
    elif output is ToolsFormat.NAME:
        for component in listed:
            typer.echo(visible_line(component.uri if isinstance(component, ListedResource) else component.name))
    else:
        _print(url, found, "prompts" if prompts else "resources" if resources else "tools, prompts or resources")


async def _components(client: Client, *, tools: bool, prompts: bool, resources: bool) -> ServerContents:
    async with client:
        return ServerContents(
            await client.list_tools() if tools else (),
            await client.list_prompts() if prompts else (),
            [*await client.list_resources(), *await client.list_resource_templates()] if resources else (),
        )


def _print(url: str, found: ServerContents, looked_for: str) -> None:
    sections, width = found.sections, shutil.get_terminal_size().columns
    if not sections:
        tell(f"{shown_url(url)} has no {looked_for}.")
        return
    for heading, components in sections:
        if len(sections) > 1 or heading != "Tools":
            tell(f"{heading}\n", err=False)
        for component in components:
            tell(f"{component_text(component, width)}\n", err=False)
    tell("Call one, for example:")
    for _, components in sections:
        tell(f"  {visible_line(call_line(url, components[0]))}")
