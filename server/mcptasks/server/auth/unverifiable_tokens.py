"""The answer for callers whose tokens nobody can verify for now: HTTP 503, not that their token is wrong."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from mcptasks.server.auth.authentication import Authentication
from mcptasks.server.auth.jwks_cache import RETRY_SECONDS, KeysUnavailableError

logger = logging.getLogger(__name__)

INTERNAL_ERROR = -32603
MESSAGE = "The server cannot verify tokens now, because their issuer's keys are out of reach: try again later"
SCHEME = "bearer "


@dataclass(frozen=True)
class UnverifiableTokens:
    """Middleware that refuses tokens which nobody can verify now, and passes everything else on."""

    app: ASGIApp
    authentication: Authentication

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            value = Headers(scope=scope).get("authorization", "")
            if value.lower().startswith(SCHEME):
                try:
                    await self.authentication.check_verifiable(value[len(SCHEME) :])
                except KeysUnavailableError as error:
                    logger.warning("a call was refused: %s", error)
                    await _refuse(send)
                    return
        await self.app(scope, receive, send)


async def _refuse(send: Send) -> None:
    error = {"code": INTERNAL_ERROR, "message": MESSAGE}
    body = json.dumps({"jsonrpc": "2.0", "id": None, "error": error}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"retry-after", str(round(RETRY_SECONDS)).encode()),
    ]
    await send({"type": "http.response.start", "status": HTTPStatus.SERVICE_UNAVAILABLE.value, "headers": headers})
    await send({"type": "http.response.body", "body": body})
