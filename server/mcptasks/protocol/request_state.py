"""How the state that clients carry from one round of a call to the next is sealed, so that any replica can open it.

It is encrypted, and bound to the call, its arguments and its caller (`mcp.server.request_state`).
"""

from __future__ import annotations

from typing import Any

from mcp.server.context import ServerMiddleware
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity

from mcptasks.settings import Settings

LEAST_SECONDS = 600.0
"""How long an answer may take where tasks themselves do not wait for answers."""


class RequestStateKeyError(ValueError):
    """The keys in the settings cannot be used; the message says what would do, and does not quote them."""


def sealed_by(settings: Settings, server: str) -> RequestStateBoundary:
    """The middleware that seals and opens the state of the given server, with the keys of the settings.

    Without keys it uses one that only this process has. Raises RequestStateKeyError.
    """
    ttl = float(settings.default_input_timeout_seconds) or LEAST_SECONDS
    audience = f"{settings.server_name}/{server}"
    if settings.request_state_keys is None:
        return RequestStateBoundary(RequestStateSecurity.ephemeral(ttl=ttl), default_audience=audience)
    keys = [key.strip() for key in settings.request_state_keys.get_secret_value().split(",")]
    try:
        security = RequestStateSecurity(keys=keys, ttl=ttl)
    except ValueError:
        raise RequestStateKeyError(
            "MCPTASKS_REQUEST_STATE_KEYS: use keys of 32 characters or more, different ones, separated by commas; "
            "`openssl rand -hex 32` makes one"
        ) from None
    return RequestStateBoundary(security, default_audience=audience)


def reseal(middleware: list[ServerMiddleware[Any]], boundary: RequestStateBoundary) -> None:
    """Replace the boundary that is there."""
    middleware[:] = [boundary if isinstance(each, RequestStateBoundary) else each for each in middleware]
