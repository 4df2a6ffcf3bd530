"""Delivering an outcome, or the failure that stands for one that the gateway does not take."""

from __future__ import annotations

import logging

from mcptasks.runner.gateway_client import GatewayClient, RejectedError
from mcptasks.runner.outcome_encoding import encoded, not_serializable

logger = logging.getLogger(__name__)


async def deliver(client: GatewayClient, body: bytes, deadline: float) -> None:
    """Deliver the outcome, given as JSON.

    Args:
        deadline: until when to try, by `time.monotonic()`.

    Raises:
        TaskOverError, RejectedError, GatewayUnreachableError
    """
    try:
        await client.deliver(body, deadline)
    except RejectedError as error:
        logger.error("the gateway does not take the outcome: %s", error)
        await client.deliver(encoded(not_serializable(str(error))), deadline)
