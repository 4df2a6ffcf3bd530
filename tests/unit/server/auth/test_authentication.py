"""Authentication by settings: what they mean together, and the settings that mean nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mcptasks.server.auth.authentication import AuthConfigError, Authentication
from mcptasks.settings import Settings

KEYS = "https://issuer.example/keys"
JWT: dict[str, Any] = {"auth_issuer": "https://issuer.example", "auth_audience": "tools", "auth_jwks_url": KEYS}


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    path = tmp_path / "tokens"
    path.write_text(f"alice: {'a' * 32}")
    return path


def configured(**settings: Any) -> Authentication:
    authentication = Authentication.from_settings(Settings(**settings))
    assert authentication is not None
    return authentication


def test_without_settings_there_is_none() -> None:
    assert Authentication.from_settings(Settings()) is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"auth_audience": "tools"}, "MCPTASKS_AUTH_AUDIENCE is set, .*: set MCPTASKS_AUTH_ISSUER or MCPTASKS_AUTH_TO"),
        ({"auth_required_scopes": "a"}, "MCPTASKS_AUTH_REQUIRED_SCOPES is set, .*: set MCPTASKS_AUTH_ISSUER or"),
        ({"auth_jwks_url": KEYS}, "MCPTASKS_AUTH_JWKS_URL is set"),
        ({"auth_resource_url": "https://tools.example"}, "MCPTASKS_AUTH_RESOURCE_URL is set"),
        (JWT | {"auth_audience": ""}, "set MCPTASKS_AUTH_AUDIENCE too"),
        (JWT | {"auth_jwks_url": None}, r"set MCPTASKS_AUTH_JWKS_URL too, to the `jwks_uri` that https://issuer\.exam"),
        (JWT | {"auth_issuer": "issuer"}, "MCPTASKS_AUTH_ISSUER needs an http or https URL"),
        (JWT | {"auth_resource_url": "tools"}, "MCPTASKS_AUTH_RESOURCE_URL needs an http or https URL"),
        ({"auth_tokens": "/nowhere"}, "MCPTASKS_AUTH_TOKENS: /nowhere cannot be read"),
    ],
)
def test_settings_that_mean_nothing_are_refused_with_the_way_out(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(AuthConfigError, match=message):
        Authentication.from_settings(Settings(**settings))


def test_a_token_file_with_an_audience_but_no_issuer_is_refused(tokens: Path) -> None:
    with pytest.raises(
        AuthConfigError, match="MCPTASKS_AUTH_AUDIENCE is set, which says nothing alone: set MCPTASKS_AUTH_ISSUER too"
    ):
        Authentication.from_settings(Settings(auth_tokens=tokens, auth_audience=["tools"]))


@pytest.mark.parametrize(
    ("settings", "resource"),
    [
        ({}, "None"),
        ({"auth_audience": "tools,https://tools.example/mcp"}, "https://tools.example/mcp"),
        ({"auth_resource_url": "https://here.example/mcp"}, "https://here.example/mcp"),
    ],
)
def test_the_resource_is_the_audience_that_is_a_url(settings: dict[str, Any], resource: str) -> None:
    sdk = configured(**(JWT | settings)).sdk
    assert str(sdk.resource_server_url) == resource
    assert str(sdk.issuer_url) == "https://issuer.example"


def test_handed_out_tokens_alone_publish_no_issuer(tokens: Path) -> None:
    sdk = configured(auth_tokens=tokens, auth_required_scopes="a, b").sdk
    assert sdk.resource_server_url is None
    assert sdk.required_scopes == ["a", "b"]
