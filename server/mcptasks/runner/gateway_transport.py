"""How a runner's requests reach the gateway: what all ways have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class GatewayReply:
    """What the gateway answered: an HTTP status and a body."""

    status: int
    body: bytes

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


class RequestNotSentError(Exception):
    """The request came to nothing, and may come to something later.

    `unauthorized`: because there is no token to send with it.
    """

    def __init__(self, message: str, *, unauthorized: bool = False) -> None:
        super().__init__(message)
        self.unauthorized = unauthorized


class NoGatewayError(Exception):
    """There is nothing that the request could be sent to, now or later."""


class Transport(Protocol):
    """Carries requests to the gateway, each of them once. Use on one loop."""

    async def send(self, method: str, path: str, body: bytes | None) -> GatewayReply:
        """Send a request and give the answer, whatever it is. Raises RequestNotSentError, NoGatewayError."""
        ...

    async def aclose(self) -> None:
        """Close all connections."""
        ...
