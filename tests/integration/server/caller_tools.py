"""A server that knows its callers by their tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings
from pydantic import AnyHttpUrl

from mcptasks import Caller, CurrentAccessToken, CurrentHeaders, TaskConfig, TaskServer, TokenClaim

ISSUER = "https://issuer.example.org"


class Verifier:
    """Takes every token for Ann's."""

    async def verify_token(self, token: str) -> AccessToken | None:
        claims = {"iss": ISSUER, "team": "blue", "email": "ann@example.org"}
        return AccessToken(token=token, client_id="app", subject="ann", scopes=["read"], claims=claims)


mcp = TaskServer(
    "callers",
    tasks=TaskConfig(poll_interval=0.2),
    token_verifier=Verifier(),
    auth=AuthSettings(issuer_url=AnyHttpUrl(ISSUER), resource_server_url=None),
)


@mcp.tool()
def who(
    caller: Caller = CurrentAccessToken(),
    team: str = TokenClaim("team"),
    headers: Mapping[str, str] = CurrentHeaders(),
) -> dict[str, Any]:
    return {"caller": repr(caller), "team": team, "headers": dict(headers)}


@mcp.tool()
def mail(address: str = TokenClaim("email")) -> str:
    return address
