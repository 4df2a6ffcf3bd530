"""Agrees with a server on the protocol version to speak."""

from __future__ import annotations

from typing import get_args

from mcptasks.client.client_errors import ClientError, ConnectionFailedError, HttpRefusedError, McpError
from mcptasks.client.protocol import dialect_2025_11_25, dialect_2026_07_28
from mcptasks.client.protocol.dialect import Dialect
from mcptasks.client.protocol.dialect_2025_11_25 import HandshakeDialect
from mcptasks.client.protocol.dialect_2026_07_28 import StatelessDialect
from mcptasks.client.protocol.input_responder import InputResponder
from mcptasks.client.protocol.streamable_http import HttpTransport
from mcptasks.protocol.versions import ProtocolChoice


def check_choice(choice: str) -> None:
    """Raises ClientError for a protocol version that the client does not speak."""
    if choice not in get_args(ProtocolChoice):
        raise ClientError(f"protocol {choice!r} is unknown: use {', '.join(get_args(ProtocolChoice))}")


async def negotiate(
    choice: ProtocolChoice, transport: HttpTransport, client_version: str, responder: InputResponder
) -> Dialect:
    """A dialect that is open: of the version asked for, or of the newest that both sides have.

    Raises:
        ConnectionFailedError: the server cannot be reached.
        ClientError: the server does not speak a version that was asked for, or wants other credentials.
    """
    stateless = StatelessDialect(transport, client_version, responder)
    handshake = HandshakeDialect(transport, client_version, responder)
    if choice == dialect_2025_11_25.VERSION:
        await handshake.open()
        if handshake.version != dialect_2025_11_25.VERSION:
            raise ClientError(
                f"{transport.shown_url} does not speak MCP {dialect_2025_11_25.VERSION}; it offers {handshake.version}"
            )
        return handshake
    try:
        await stateless.open()
        return stateless
    except ClientError as error:
        if choice != "auto" or not speaks_older_version(error):
            raise
    await handshake.open()
    return handshake


def speaks_older_version(error: ClientError) -> bool:
    """Whether an answer to the newer version's first request means that the older one is worth trying.

    (MCP 2026-07-28, basic/versioning: a client that gets an error which only a modern server gives stays modern.)
    """
    match error:
        case ConnectionFailedError():
            return False
        case HttpRefusedError(status=status):
            return status not in (401, 403)
        case McpError(code=code):
            return code == dialect_2026_07_28.UNSUPPORTED_VERSION or code not in dialect_2026_07_28.MODERN_ERRORS
        case _:
            return True
