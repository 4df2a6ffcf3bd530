"""Access tokens that are JSON Web Tokens (RFC 7519, RFC 9068), verified with their issuer's keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jwt
from mcp.server.auth.provider import AccessToken

from mcptasks.server.auth.jwks_cache import JwksCache, SigningKey

LEEWAY_SECONDS = 30
"""How far the issuer's clock may be ahead of ours."""

CLIENT_CLAIMS = ("client_id", "azp", "cid", "appid")
"""Claims that say which client a token was issued to, the standard one (RFC 9068) first."""

SCOPE_CLAIMS = ("scope", "scp")


class TokenRefusedError(Exception):
    """The token proves nothing; the message says why, and never repeats the token."""


@dataclass(frozen=True)
class JwtRules:
    """What a token must say.

    Args:
        issuer: its `iss`, exactly.
        audiences: one of them must be in its `aud`.
        subject_claim: the claim that says who the caller is.
    """

    issuer: str
    audiences: tuple[str, ...]
    subject_claim: str = "sub"


@dataclass(frozen=True)
class JwtVerifier:
    """Verifies tokens of one issuer."""

    keys: JwksCache
    rules: JwtRules

    async def verify(self, token: str) -> AccessToken:
        """The token's content.

        Raises:
            TokenRefusedError: it proves nothing.
            KeysUnavailableError: nobody can tell now.
        """
        key = await self.key_of(token)
        _, algorithm = read_header(token)
        return read_claims(token, verified_claims(token, key, algorithm, self.rules), self.rules)

    async def key_of(self, token: str) -> SigningKey:
        """The key that the token names, as the issuer has it now. Raises TokenRefusedError, KeysUnavailableError."""
        key_id, algorithm = read_header(token)
        key = await self.keys.find(key_id, algorithm)
        if key is None:
            raise TokenRefusedError(f"the issuer has no key {key_id!r} for {algorithm!r}")
        return key


def read_header(token: str) -> tuple[str | None, str]:
    """Id of the key and algorithm that a token names, both unverified. Raises TokenRefusedError."""
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise TokenRefusedError("it is not a JSON Web Token") from error
    algorithm = header.get("alg")
    if not isinstance(algorithm, str):
        raise TokenRefusedError("its header names no algorithm")
    return header.get("kid"), algorithm


def verified_claims(token: str, key: SigningKey, algorithm: str, rules: JwtRules) -> dict[str, Any]:
    """The claims of a token that its issuer signed for us and that is valid now. Raises TokenRefusedError."""
    try:
        return jwt.decode(
            token,
            key.key.key,
            algorithms=[algorithm],
            issuer=rules.issuer,
            audience=list(rules.audiences),
            leeway=LEEWAY_SECONDS,
            # A subject of another type is refused below, with the claim that was chosen for it.
            options={"require": ["exp", "iss", "aud"], "verify_sub": False},
        )
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
        raise TokenRefusedError(str(error) or type(error).__name__) from error


def read_claims(token: str, claims: dict[str, Any], rules: JwtRules) -> AccessToken:
    """Verified claims as the SDK wants them. Raises TokenRefusedError where they don't say who calls."""
    subject = claims.get(rules.subject_claim)
    if not isinstance(subject, str) or not subject:
        raise TokenRefusedError(f"it has no {rules.subject_claim!r} that says who the caller is")
    clients = (claims.get(name) for name in CLIENT_CLAIMS)
    return AccessToken(
        token=token,
        client_id=next((client for client in clients if isinstance(client, str) and client), ""),
        scopes=_scopes(claims),
        expires_at=int(claims["exp"]),
        subject=subject,
        claims=claims,
    )


def _scopes(claims: dict[str, Any]) -> list[str]:
    """Scopes as one text (RFC 8693), or as the list that some issuers make of them."""
    value = next((claims[name] for name in SCOPE_CLAIMS if name in claims), "")
    if isinstance(value, list):
        return [scope for scope in value if isinstance(scope, str)]
    return value.split() if isinstance(value, str) else []
