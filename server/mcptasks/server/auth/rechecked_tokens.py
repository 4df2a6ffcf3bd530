"""Lets open streams look whether the token that opened them is still valid."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from mcptasks.protocol.token_lapse import TOKEN_CHECK
from mcptasks.server.auth.authentication import Authentication
from mcptasks.server.auth.jwks_cache import KeysUnavailableError

SCHEME = "bearer "


@dataclass(frozen=True)
class RecheckedTokens:
    """Middleware that puts the check of a request's token into its scope."""

    app: ASGIApp
    authentication: Authentication

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        value = Headers(scope=scope).get("authorization", "") if scope["type"] == "http" else ""
        if value.lower().startswith(SCHEME):
            scope = {**scope, TOKEN_CHECK: partial(self._is_valid, value[len(SCHEME) :])}
        await self.app(scope, receive, send)

    async def _is_valid(self, token: str) -> bool:
        try:
            await self.authentication.check_verifiable(token)
        except KeysUnavailableError:
            # Nobody can tell now: it was valid, and its expiry is known.
            return True
        return await self.authentication.verify_token(token) is not None
