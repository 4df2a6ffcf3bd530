"""A token proves who its caller is if its issuer signed it, for us, and it is valid now; nothing else does."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import jwt
import pytest
from mcp.server.auth.provider import AccessToken

from mcptasks.model.base import JsonObject
from mcptasks.server.auth.jwks_cache import JwksCache
from mcptasks.server.auth.jwt_verifier import JwtRules, JwtVerifier, TokenRefusedError
from tests.support.issuer import AUDIENCE, ISSUER, Issuer, KeyPair

RULES = JwtRules(ISSUER, (AUDIENCE, "tools"))
RSA = KeyPair.rsa("rsa-1")
EC = KeyPair.ec("ec-1")
STRANGER = KeyPair.rsa("rsa-1")


def verify(token: str, *keys: KeyPair, rules: JwtRules = RULES) -> AccessToken:
    issuer = Issuer(list(keys or (RSA, EC)))

    async def fetch(_: str) -> bytes:
        return issuer.answer()[1]

    async def run() -> AccessToken:
        return await JwtVerifier(JwksCache("https://issuer.example/keys", fetch), rules).verify(token)

    return asyncio.run(run())


@pytest.mark.parametrize("key", [RSA, EC], ids=["RSA", "EC"])
def test_a_token_of_the_issuer_says_who_calls(key: KeyPair) -> None:
    verified = verify(key.token("alice", scope="tasks:call tasks:read", email="alice@example.org"))
    assert (verified.client_id, verified.subject, verified.claims and verified.claims["iss"]) == (
        "app",
        "alice",
        ISSUER,
    )
    assert verified.scopes == ["tasks:call", "tasks:read"]
    assert verified.claims is not None
    assert verified.claims["email"] == "alice@example.org"
    assert verified.expires_at is not None


NOW = int(time.time())
PS256 = RSA.token(algorithm="PS256")
UNSIGNED = jwt.encode({"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "exp": NOW + 600}, "", "none")
SHARED_SECRET = jwt.encode(
    {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "exp": NOW + 600}, "s" * 32, "HS256", {"kid": "rsa-1"}
)


def test_an_rsa_key_without_an_algorithm_verifies_all_of_rsas() -> None:
    assert verify(PS256).subject == "alice"


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (STRANGER.token(), "Signature verification failed"),
        (KeyPair.rsa("other").token(), "no key 'other'"),
        (RSA.token(iss="https://evil.example"), "issuer"),
        (RSA.token(iss=f"{ISSUER}/"), "issuer"),
        (RSA.token(iss=None), '"iss"'),
        (RSA.token(aud="https://other.example/mcp"), "Audience"),
        (RSA.token(aud=None), '"aud"'),
        (RSA.token(exp=NOW - 3600), "expired"),
        (RSA.token(exp=None), '"exp"'),
        (RSA.token(nbf=NOW + 3600), "not yet valid"),
        (RSA.token(sub=None), "no 'sub'"),
        (RSA.token(sub=""), "no 'sub'"),
        (RSA.token(sub=7), "no 'sub'"),
        (RSA.token(headers={"kid": "ec-1"}), "no key 'ec-1'"),
        (UNSIGNED, "no key None for 'none'"),
        (SHARED_SECRET, "no key 'rsa-1' for 'HS256'"),
        ("a.b.c", "not a JSON Web Token"),
        ("opaque", "not a JSON Web Token"),
        ("", "not a JSON Web Token"),
        ("é.é.é", "not a JSON Web Token"),
        ("W1tbW1tb" * 4000 + ".e30.", "not a JSON Web Token"),
    ],
)
def test_anything_else_is_refused_with_a_reason_that_does_not_repeat_it(token: str, reason: str) -> None:
    with pytest.raises(TokenRefusedError, match=reason) as refused:
        verify(token)
    assert not token or token not in str(refused.value)


def test_a_changed_token_is_refused() -> None:
    head, _, signature = RSA.token("alice").split(".")
    payload = RSA.token("mallory").split(".")[1]
    with pytest.raises(TokenRefusedError, match="Signature verification failed"):
        verify(f"{head}.{payload}.{signature}")


def test_one_of_several_audiences_is_enough() -> None:
    assert verify(RSA.token(aud=["billing", "tools"])).subject == "alice"


def test_a_clock_that_is_a_little_ahead_is_forgiven() -> None:
    assert verify(RSA.token(iat=NOW + 20, nbf=NOW + 20)).subject == "alice"


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({"scope": "a b"}, ["a", "b"]),
        ({"scp": "a b"}, ["a", "b"]),
        ({"scp": ["a", "b", 3]}, ["a", "b"]),
        ({"scope": ["a"]}, ["a"]),
        ({"scope": 3}, []),
        ({}, []),
    ],
)
def test_scopes_are_read_as_issuers_write_them(claims: JsonObject, scopes: list[str]) -> None:
    assert verify(RSA.token(**claims)).scopes == scopes


@pytest.mark.parametrize(
    ("claims", "client"),
    [
        ({"client_id": "app"}, "app"),
        ({"client_id": None, "azp": "web"}, "web"),
        ({"client_id": None, "appid": "7"}, "7"),
        ({"client_id": None}, ""),
    ],
)
def test_the_client_is_read_as_issuers_write_it(claims: dict[str, Any], client: str) -> None:
    assert verify(RSA.token(**claims)).client_id == client


def test_another_claim_may_say_who_calls() -> None:
    rules = JwtRules(ISSUER, (AUDIENCE,), subject_claim="email")
    assert verify(RSA.token("0815", email="alice@example.org"), rules=rules).subject == "alice@example.org"
    with pytest.raises(TokenRefusedError, match="no 'email'"):
        verify(RSA.token("0815"), rules=rules)


def test_a_token_that_names_no_key_is_verified_with_the_only_one() -> None:
    nameless = KeyPair(None, "RS256", RSA.private).token()
    assert verify(nameless, RSA, EC).subject == "alice"
    with pytest.raises(TokenRefusedError, match="no key None"):
        verify(nameless, RSA, KeyPair.rsa("rsa-2"))
