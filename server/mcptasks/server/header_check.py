"""Refuses requests whose headers two readers could understand differently."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from mcp_types import INVALID_REQUEST
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from mcptasks.gateway.contract import Refusal, RefusalCode

logger = logging.getLogger(__name__)

SINGLE = frozenset(
    {b"authorization", b"content-length", b"content-type", b"host", b"mcp-protocol-version", b"mcp-session-id"}
    | {b"origin", b"transfer-encoding"}
)
"""Headers that are no lists, and so come once (RFC 9110, section 5.3)."""


@dataclass(frozen=True)
class HeaderCheck:
    """Middleware for a whole port: 400 where a proxy in front may have read another token, host or body than we would.

    `refusal` makes the answer of a reason.
    """

    app: ASGIApp
    refusal: Callable[[str], ASGIApp]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reason = _ambiguity(scope) if scope["type"] == "http" else None
        if reason is None:
            await self.app(scope, receive, send)
            return
        logger.info("a request was refused: %s", reason)
        await self.refusal(reason)(scope, receive, send)


def json_rpc_refusal(reason: str) -> ASGIApp:
    """The answer of the endpoint."""
    error = {"code": INVALID_REQUEST, "message": f"Bad Request: {reason}"}
    return _closing({"jsonrpc": "2.0", "id": None, "error": error})


def gateway_refusal(reason: str) -> ASGIApp:
    """The answer of the gateway."""
    return _closing(Refusal(code=RefusalCode.INVALID, message=reason).dump())


def _closing(body: object) -> ASGIApp:
    # Where the next request begins is what nobody is sure of.
    return JSONResponse(body, HTTPStatus.BAD_REQUEST, {"connection": "close"})


def _ambiguity(scope: Scope) -> str | None:
    counts = Counter(name for name, _ in scope["headers"] if name in SINGLE)
    repeated = sorted(name.decode("ascii") for name, count in counts.items() if count > 1)
    if repeated:
        return f"the header {repeated[0]} comes more than once"
    if counts[b"content-length"] and counts[b"transfer-encoding"]:
        return "it has both content-length and transfer-encoding"
    return None
