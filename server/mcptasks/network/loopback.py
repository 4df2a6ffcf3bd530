"""Which addresses are this machine itself: what goes there never goes through a proxy."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

ANY_ADDRESS = ("0.0.0.0", "::")
"""To listen on: all addresses of this machine. To connect to: this machine."""


def is_loopback(url: str) -> bool:
    """Whether the URL's host is this machine: as `is_loopback_host`, or the address that servers print (`0.0.0.0`)."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    return is_loopback_host(host) or host in ANY_ADDRESS


def is_loopback_host(host: str) -> bool:
    """Whether the host is this machine: a loopback address, `localhost` or a name below it (RFC 6761)."""
    host = host.lower().rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
