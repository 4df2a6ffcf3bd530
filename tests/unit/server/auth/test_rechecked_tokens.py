"""Whether a token is still valid, asked again and again by an open stream."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from mcp.server.auth.provider import AccessToken

from mcptasks.server.auth.authentication import Authentication
from mcptasks.server.auth.jwt_verifier import JwtVerifier
from mcptasks.server.auth.rechecked_tokens import TokenRecheck
from mcptasks.settings import Settings
from tests.support.issuer import AUDIENCE, ISSUER, KeyPair, issuing

pytestmark = pytest.mark.anyio

KEY = KeyPair.ec("one")
OTHER = KeyPair.ec("one")


@dataclass(frozen=True)
class CountedVerifier(JwtVerifier):
    """Counts how many signatures are verified."""

    verified: list[str] = field(default_factory=list)

    async def verify(self, token: str) -> AccessToken:
        self.verified.append(token)
        return await super().verify(token)


def of(url: str) -> tuple[Authentication, CountedVerifier]:
    settings = Settings(auth_issuer=ISSUER, auth_audience=[AUDIENCE], auth_jwks_url=url)
    authentication = Authentication.from_settings(settings)
    assert authentication is not None
    assert authentication.jwts is not None
    verifier = CountedVerifier(authentication.jwts.keys, authentication.jwts.rules)
    return replace(authentication, jwts=verifier), verifier


async def test_a_signature_is_verified_once_for_as_long_as_its_key_is_the_issuers() -> None:
    with issuing(KEY) as issuer:
        authentication, verifier = of(issuer.url)
        async with authentication.running():
            recheck = TokenRecheck(authentication, KEY.token())
            assert [await recheck() for _ in range(20)] == [True] * 20
            assert len(verifier.verified) == 1
            verifier.keys._keys = ()
            verifier.keys._fetched_at = -1e9
            assert await recheck()
            assert len(verifier.verified) == 2


async def test_a_token_of_a_key_that_was_replaced_is_not_valid_any_more() -> None:
    with issuing(KEY) as before, issuing(OTHER) as after:
        authentication, verifier = of(before.url)
        async with authentication.running():
            recheck = TokenRecheck(authentication, KEY.token())
            assert await recheck()
            verifier.keys.url = after.url
            verifier.keys._fetched_at = -1e9
            assert not await recheck()


async def test_a_static_token_is_valid_until_its_line_is_gone(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text(f"alice: {'a' * 32}\n")
    authentication = Authentication.from_settings(Settings(auth_tokens=tokens))
    assert authentication is not None
    assert await TokenRecheck(authentication, "a" * 32)()
    assert not await TokenRecheck(authentication, "b" * 32)()
