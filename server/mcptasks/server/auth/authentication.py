"""Who may call, by the server's settings: bearer tokens of an issuer, tokens handed out by hand, or both."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings
from pydantic import ValidationError

from mcptasks.server.auth.jwks_cache import JwksCache, KeysUnavailableError, SigningKey
from mcptasks.server.auth.jwt_verifier import JwtRules, JwtVerifier, TokenRefusedError
from mcptasks.server.auth.static_tokens import ISSUER, StaticTokens, TokensError
from mcptasks.settings import PREFIX, Settings

logger = logging.getLogger(__name__)

NO_ISSUER = f"https://{ISSUER}"
"""The SDK wants the URL of an issuer; without a resource URL it tells nobody."""


class AuthConfigError(ValueError):
    """The settings of authentication contradict each other or are incomplete; the message says what to change."""


@dataclass(frozen=True)
class Authentication:
    """Verifies callers' tokens; a `TokenVerifier` of the SDK.

    Args:
        sdk: what the SDK checks and publishes: the scopes, and the metadata of the protected resource (RFC 9728).
        static: tokens handed out by hand.
        jwts: tokens of an issuer.
    """

    sdk: AuthSettings
    static: StaticTokens | None = None
    jwts: JwtVerifier | None = None

    @classmethod
    def from_settings(cls, settings: Settings) -> Authentication | None:
        """What the settings ask for; None where they ask for no authentication.

        Raises:
            AuthConfigError: they contradict each other, or the tokens in the file cannot be used.
        """
        if settings.auth_issuer is None and settings.auth_tokens is None:
            _refuse_without("auth_issuer or auth_tokens", settings, *_OF_JWTS, "auth_required_scopes")
            return None
        scopes = tuple(settings.auth_required_scopes)
        jwts = None
        if settings.auth_issuer is None:
            _refuse_without("auth_issuer", settings, *_OF_JWTS)
        else:
            jwts = _jwts(settings, settings.auth_issuer)
        try:
            static = None if settings.auth_tokens is None else StaticTokens(settings.auth_tokens, scopes)
        except TokensError as error:
            raise AuthConfigError(f"{_variable('auth_tokens')}: {error}") from error
        return cls(_sdk(settings), static, jwts)

    async def verify_token(self, token: str) -> AccessToken | None:
        """The token's content; None, and a line in the log, for one that proves nothing or that nobody can verify."""
        try:
            return await self._identify(token)
        except (TokenRefusedError, KeysUnavailableError) as error:
            logger.info("a token was refused: %s", error)
            return None

    async def check_verifiable(self, token: str) -> None:
        """Raises KeysUnavailableError where nobody can tell now whether the token is valid."""
        with suppress(TokenRefusedError):
            await self._identify(token)

    async def signing_key(self, token: str) -> SigningKey | None:
        """The issuer's key that the token names, as it is now; None for a token that no issuer has signed.

        Raises TokenRefusedError, KeysUnavailableError.
        """
        if self.jwts is None or (self.static is not None and await self.static.verify_token(token)):
            return None
        return await self.jwts.key_of(token)

    async def _identify(self, token: str) -> AccessToken:
        if self.static is not None and (known := await self.static.verify_token(token)):
            return known
        if self.jwts is None:
            raise TokenRefusedError("nobody has it")
        return await self.jwts.verify(token)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Runs with the server: fetches the issuer's keys at once, so that the first caller need not wait."""
        if self.jwts is None:
            yield
            return
        self.jwts.keys.start()
        try:
            yield
        finally:
            await self.jwts.keys.aclose()


_OF_JWTS = ("auth_audience", "auth_jwks_url", "auth_resource_url")


def _jwts(settings: Settings, issuer: str) -> JwtVerifier:
    if not settings.auth_audience:
        raise AuthConfigError(
            f"{_variable('auth_issuer')} is set: set {_variable('auth_audience')} too, to what tokens for this server "
            "have as their `aud`, usually the endpoint's URL. Without it, tokens for any other service would do"
        )
    if settings.auth_jwks_url is None:
        raise AuthConfigError(
            f"{_variable('auth_issuer')} is set: set {_variable('auth_jwks_url')} too, to the `jwks_uri` that "
            f"{issuer.rstrip('/')}/.well-known/openid-configuration tells"
        )
    rules = JwtRules(issuer, tuple(settings.auth_audience), settings.auth_subject_claim)
    return JwtVerifier(JwksCache(settings.auth_jwks_url), rules)


def _sdk(settings: Settings) -> AuthSettings:
    urls = (name for name in settings.auth_audience if name.startswith(("https://", "http://")))
    resource = settings.auth_resource_url or next(urls, None)
    try:
        return AuthSettings.model_validate(
            {
                "issuer_url": settings.auth_issuer or NO_ISSUER,
                "required_scopes": settings.auth_required_scopes or None,
                "resource_server_url": resource,
                # The audience is checked here, where it needn't be a URL.
                "validate_token_resource": False,
            }
        )
    except ValidationError as error:
        names = {"issuer_url": "auth_issuer", "resource_server_url": "auth_resource_url"}
        wrong = error.errors()[0]
        name = names.get(str(wrong["loc"][0]) if wrong["loc"] else "", "auth_issuer")
        raise AuthConfigError(f"{_variable(name)} needs an http or https URL: {wrong['msg']}") from error


def _refuse_without(wanted: str, settings: Settings, *names: str) -> None:
    for name in names:
        if getattr(settings, name):
            needed = " or ".join(_variable(one) for one in wanted.split(" or "))
            raise AuthConfigError(f"{_variable(name)} is set, which says nothing alone: set {needed} too")


def _variable(name: str) -> str:
    return f"{PREFIX}{name.upper()}"
