"""Lets open streams look whether the token that opened them is still valid."""

from __future__ import annotations

from dataclasses import dataclass, field

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from mcptasks.protocol.token_lapse import TOKEN_CHECK
from mcptasks.server.auth.authentication import Authentication
from mcptasks.server.auth.jwks_cache import KeysUnavailableError, SigningKey
from mcptasks.server.auth.jwt_verifier import TokenRefusedError

SCHEME = "bearer "


@dataclass(frozen=True)
class RecheckedTokens:
    """Middleware that puts the check of a request's token into its scope."""

    app: ASGIApp
    authentication: Authentication

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        value = Headers(scope=scope).get("authorization", "") if scope["type"] == "http" else ""
        if value.lower().startswith(SCHEME):
            scope = {**scope, TOKEN_CHECK: TokenRecheck(self.authentication, value[len(SCHEME) :])}
        await self.app(scope, receive, send)


@dataclass(eq=False)
class TokenRecheck:
    """Says whether one token is still valid; when it expires is known to whoever asks.

    An issuer's signature is verified once, and again only where the issuer has another key under its id.
    """

    authentication: Authentication
    token: str
    _key: SigningKey | None = field(default=None, init=False)

    async def __call__(self) -> bool:
        try:
            key = await self.authentication.signing_key(self.token)
        except KeysUnavailableError:
            # Nobody can tell now: it was valid, and its expiry is known.
            return True
        except TokenRefusedError:
            return False
        if key is not None and key is self._key:
            return True
        self._key = key
        return await self.authentication.verify_token(self.token) is not None
