"""How many connections each port may have, so that the process never runs out of file descriptors."""

from __future__ import annotations

import logging
import resource
from dataclasses import dataclass

logger = logging.getLogger(__name__)

RESERVED = 512
"""Descriptors for all else: the API server (256), health and metrics (64), Redis (20), files, inline tools."""

LEAST = 16


@dataclass(frozen=True)
class ConnectionShares:
    """Most connections of each port."""

    endpoint: int
    gateway: int


def connection_shares(limit: int, endpoint: int, gateway: int) -> ConnectionShares:
    """What of the wanted numbers of connections fits into that many descriptors, each in proportion."""
    room = max(limit - RESERVED, 2 * LEAST)
    wanted = endpoint + gateway
    if wanted <= room:
        return ConnectionShares(endpoint, gateway)
    return ConnectionShares(*(max(LEAST, room * share // wanted) for share in (endpoint, gateway)))


def reserved_shares(endpoint: int, gateway: int) -> ConnectionShares:
    """The shares of this process, whose limit of descriptors is raised for them as far as it may be."""
    limit = _raised(endpoint + gateway + RESERVED)
    shares = connection_shares(limit, endpoint, gateway)
    if shares != ConnectionShares(endpoint, gateway):
        logger.warning(
            "this process may have %d open files (ulimit -n): that is enough for %d connections to the endpoint and %d "
            "to the gateway, not for %d and %d (MCPTASKS_MAX_CONNECTIONS, MCPTASKS_MAX_GATEWAY_CONNECTIONS)",
            limit,
            shares.endpoint,
            shares.gateway,
            endpoint,
            gateway,
        )
    return shares


def _raised(wanted: int) -> int:
    """The limit after an attempt to have it at `wanted` at least."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted if soft == resource.RLIM_INFINITY else soft
    raised = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
    except (OSError, ValueError):
        # macOS has another limit beside the one that it tells.
        return soft
    return raised
