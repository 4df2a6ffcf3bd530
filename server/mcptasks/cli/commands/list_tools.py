"""`mcptasks tools`: the tools of an MCP server, and how to call them."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

import typer

from mcptasks.cli.command_errors import as_cli_error
from mcptasks.cli.server_options import HeaderOption, ProtocolOption, ServerOptions, TokenOption, UrlArgument
from mcptasks.cli.terminal_text import tell
from mcptasks.cli.tool_signature import call_line, tool_text
from mcptasks.client import Client, ClientError, Tool
from mcptasks.diagnostics.visible_text import visible_json, visible_line
from mcptasks.network.shown_urls import shown_url


class ToolsFormat(StrEnum):
    """How to print tools."""

    TEXT = "text"
    JSON = "json"
    NAME = "name"


def command(
    url: UrlArgument,
    protocol: ProtocolOption = "auto",
    header: HeaderOption = None,
    token: TokenOption = None,
    output: Annotated[
        ToolsFormat, typer.Option("--output", "-o", help="text, name, or json for the unchanged list.")
    ] = ToolsFormat.TEXT,
) -> None:
    """List the tools of an MCP server: what they take, what they do, and how to call one.

    \b
    Example:
      mcptasks tools http://127.0.0.1:8000/mcp
      mcptasks tools http://127.0.0.1:8000/mcp -o json
    """
    client = ServerOptions(url, token, header or (), protocol).client()
    with as_cli_error(ClientError):
        tools = asyncio.run(_tools(client))
    if output is ToolsFormat.JSON:
        typer.echo(visible_json([tool.raw for tool in tools], indent=2))
    elif output is ToolsFormat.NAME:
        for tool in tools:
            typer.echo(visible_line(tool.name))
    else:
        _print(url, tools)


async def _tools(client: Client) -> list[Tool]:
    async with client:
        return await client.list_tools()


def _print(url: str, tools: Sequence[Tool]) -> None:
    if not tools:
        tell(f"{shown_url(url)} has no tools.")
        return
    width = shutil.get_terminal_size().columns
    for tool in tools:
        tell(f"{tool_text(tool, width)}\n", err=False)
    tell(f"Call one, for example:\n  {visible_line(call_line(url, tools[0]))}")
