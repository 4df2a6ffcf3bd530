"""What goes around the proxies of the environment: this machine itself, and what NO_PROXY names, in all its spellings.

The libraries that send requests know some of these each: none of them takes a network for the addresses in it.
"""

from __future__ import annotations

import os
from ipaddress import ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit

import httpx2

from mcptasks.network.loopback import is_loopback

DEFAULT_PORTS = {"http": 80, "https": 443}


def goes_direct(url: str) -> bool:
    """Whether requests to the URL go around the proxies of the environment."""
    return is_loopback(url) or is_excepted(url, os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or "")


def direct(url: str) -> dict[str, None]:
    """`mounts` of an httpx2 client by which requests to the URL's host go around proxies where they should."""
    if not goes_direct(url):
        return {}
    host = urlsplit(url).hostname or ""
    return {f"all://[{host}]" if ":" in host else f"all://{host}": None}


def http_client(url: str, **options: Any) -> httpx2.AsyncClient:
    """A client for requests to the URL's host, with `options` of its own.

    Raises:
        httpx2.ProxyError: the environment has a proxy of a kind that cannot be used, and it is for this host.
    """
    try:
        return httpx2.AsyncClient(mounts=direct(url), **options)
    except (ImportError, ValueError) as error:
        # A transport is made for each proxy of the environment, SOCKS too, though none may be for this host.
        if goes_direct(url):
            return httpx2.AsyncClient(trust_env=False, **options)
        what = "a proxy of the environment (ALL_PROXY, HTTPS_PROXY, HTTP_PROXY) cannot be used"
        raise httpx2.ProxyError(
            f"{what}: {str(error).rstrip('.')}; take it away, or name the host in NO_PROXY"
        ) from error


def is_excepted(url: str, no_proxy: str) -> bool:
    """Whether NO_PROXY names the URL's host.

    Its parts, separated by commas or spaces, are `*`, names (which stand for all below them as well, with or without
    `.` or `*.` before), addresses and networks (`10.0.0.0/8`), each with a `:port` if it is for that port alone.
    """
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port or DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return False
    return bool(host) and any(_matches(part.lower(), host, port) for part in no_proxy.replace(",", " ").split())


def _matches(part: str, host: str, port: int | None) -> bool:
    if part == "*":
        return True
    name, given = _split_port(part)
    if given is not None and given != str(port):
        return False
    try:
        network = ip_network(name, strict=False)
    except ValueError:
        name = name.removeprefix("*").strip(".")
        return bool(name) and (host == name or host.endswith(f".{name}"))
    try:
        return ip_address(host) in network
    except ValueError:
        return False


def _split_port(part: str) -> tuple[str, str | None]:
    """A name or address and its port; the brackets of an IPv6 address are taken off."""
    if part.startswith("["):
        address, _, rest = part[1:].partition("]")
        return (address, rest[1:]) if rest.startswith(":") else (address + rest, None)
    name, colon, port = part.partition(":")
    return (name, port) if colon and port.isdigit() and ":" not in port else (part, None)
