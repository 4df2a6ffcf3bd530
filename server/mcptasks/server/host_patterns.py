"""Host names as the settings allow them, and as requests give them."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Self

from mcptasks.network.proxies import DEFAULT_PORTS

WILDCARD = "*."
DEEP_WILDCARD = "**."

MAX_HOST = 300
"""Characters of a host with its port that are looked at; a name of DNS has 253 at most."""

_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
_HOST_AND_PORT = re.compile(r"(?P<name>\[[^\[\]]*\]|[^:\[\]]*)(:(?P<port>[0-9]{1,5}|\*))?", re.ASCII)
_FORMS = "a host name, an IP address, or `*.` or `**.` and a domain, with or without a port"


class PatternError(ValueError):
    """An allowed host or origin can match no request; the message names it and says what it may be."""


@dataclass(frozen=True)
class Host:
    """A host of a request: the name in lower case, without a trailing dot, an IPv6 address in brackets; the port."""

    name: str
    port: int | None = None

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """What a Host header, or an origin after its scheme, says; None where it is not a host."""
        found = _HOST_AND_PORT.fullmatch(text) if len(text) <= MAX_HOST else None
        name = _canonical(found["name"]) if found else None
        if found is None or name is None or found["port"] == "*":
            return None
        return cls(name, int(found["port"]) if found["port"] else None)


@dataclass(frozen=True)
class HostPattern:
    """Hosts that are allowed.

    Args:
        name: the canonical name; with `wildcard`, the domain of which only names below it are meant.
        wildcard: one label below the domain, as `*.example.com` of an Ingress: `a.example.com`, but neither
            `example.com` nor, without `deep`, `b.a.example.com`.
        port: the only port; None for any.
        deep: with `wildcard`, one label or more, as `*.example.com` of an HTTPRoute; `**.` in a text.
    """

    name: str
    wildcard: bool = False
    port: int | None = None
    deep: bool = False

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises PatternError where the text is not a host."""
        found = _HOST_AND_PORT.fullmatch(f"[{text}]" if _is_ipv6(text) else text)
        if found is None:
            raise PatternError(f"{text!r} is not a host: give {_FORMS}")
        wildcard, domain = _without_wildcard(found["name"])
        name = _canonical(domain)
        if name is None or (wildcard and _is_address(name)):
            raise PatternError(f"{text!r} is not a host: give {_FORMS}")
        port = None if found["port"] in (None, "*") else int(found["port"])
        return cls(name, bool(wildcard), port, deep=wildcard == DEEP_WILDCARD)

    def matches(self, host: Host) -> bool:
        """Whether the host is one of these. A host without a port has the one of HTTP or HTTPS."""
        return self.matches_name(host.name) and (
            self.port in (None, host.port) or (host.port is None and self.port in DEFAULT_PORTS.values())
        )

    def matches_name(self, name: str) -> bool:
        if not self.wildcard:
            return name == self.name
        labels = name.removesuffix(f".{self.name}")
        return labels not in ("", name) and (self.deep or "." not in labels)


def _without_wildcard(name: str) -> tuple[str, str]:
    """The wildcard that a name begins with, or "", and the rest."""
    wildcard = next((known for known in (WILDCARD, DEEP_WILDCARD) if name.startswith(known)), "")
    return wildcard, name.removeprefix(wildcard)


def _canonical(name: str) -> str | None:
    """The one spelling of a name or an address; None where it is neither."""
    if name.startswith("["):
        address = name[1:-1]
        return f"[{ipaddress.IPv6Address(address).compressed}]" if _is_ipv6(address) else None
    try:
        ascii_name = name if name.isascii() else name.encode("idna").decode()
    except UnicodeError:
        return None
    lowered = ascii_name.lower().removesuffix(".")
    return lowered if _NAME.fullmatch(lowered) else None


def _is_ipv6(text: str) -> bool:
    try:
        return not ipaddress.IPv6Address(text).scope_id
    except ValueError:
        return False


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
