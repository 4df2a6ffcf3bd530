"""What the commands that talk to an MCP server share: its address, and what goes with every request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, TypeAlias, get_args

import typer

from mcptasks.cli.command_errors import as_cli_error, usage_error
from mcptasks.client import Client, ClientError, ElicitationHandler
from mcptasks.model.exit_codes import ExitCode
from mcptasks.protocol.versions import ProtocolChoice

UrlArgument: TypeAlias = Annotated[str, typer.Argument(help="The MCP endpoint, for example http://127.0.0.1:8000/mcp.")]
ProtocolOption: TypeAlias = Annotated[
    str, typer.Option(metavar="VERSION", help=f"Protocol version: {', '.join(get_args(ProtocolChoice))}.")
]
HeaderOption: TypeAlias = Annotated[
    list[str] | None, typer.Option(metavar="'NAME: VALUE'", help="An HTTP header to send. May be repeated.")
]
TokenOption: TypeAlias = Annotated[
    str | None, typer.Option(envvar="MCPTASKS_TOKEN", help="Bearer token to send.", show_envvar=True)
]


@dataclass(frozen=True)
class ServerOptions:
    """Which server a command talks to, and how."""

    url: str
    token: str | None = field(default=None, repr=False)
    headers: Sequence[str] = field(default=(), repr=False)
    protocol: str = "auto"

    def client(
        self,
        *,
        tasks: bool = True,
        on_elicitation: ElicitationHandler | None = None,
        max_result_bytes: int | None = None,
    ) -> Client:
        """A client that is not connected yet. Raises CliError for options that cannot be."""
        with as_cli_error(ClientError, exit_code=ExitCode.USAGE):
            return Client(
                self.url,
                token=self.token,
                headers=parse_headers(self.headers),
                # Client checks it, with an error that lists the choices.
                protocol=self.protocol,  # type: ignore[arg-type]
                tasks=tasks,
                on_elicitation=on_elicitation,
                max_result_bytes=max_result_bytes,
            )


def parse_headers(lines: Sequence[str]) -> dict[str, str]:
    """HTTP headers of lines as `Name: value`. Raises CliError for a line of another form."""
    headers = {}
    for number, line in enumerate(lines, 1):
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            # What the line says may be a credential.
            raise usage_error(f"--header number {number} is not of the form 'Name: value'")
        headers[name.strip()] = value.strip()
    return headers
