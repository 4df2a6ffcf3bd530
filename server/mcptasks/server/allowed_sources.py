"""Which hosts and origins requests may name, by the settings: the guard against DNS rebinding."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self, TypeVar

from mcptasks.network.loopback import ANY_ADDRESS
from mcptasks.network.proxies import DEFAULT_PORTS
from mcptasks.server.host_patterns import Host, HostPattern, PatternError
from mcptasks.settings import PREFIX, Settings

LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "[::1]")
ANY = "*"
OPAQUE = "null"
"""The origin of pages that have none, such as a local file."""

_ORIGIN = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<host>[^/?#@]+)", re.IGNORECASE)


_NO_WEB_PAGE = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/?#@*]*", re.IGNORECASE)
"""An origin of another scheme than a web page's, as `file://` or `app://.`."""


class AllowedSourcesError(ValueError):
    """A setting names a host or an origin that can match nothing; the message says which, and what it may be."""


@dataclass(frozen=True)
class OriginPattern:
    """Origins that are allowed: a scheme, hosts, and a port (that of the scheme if None) unless any will do."""

    scheme: str
    host: HostPattern
    any_port: bool = False

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises PatternError where the text is not an origin."""
        found = _ORIGIN.fullmatch(text.removesuffix("/"))
        if found is None:
            raise PatternError(f"{text!r} is not an origin: give a scheme and a host, as in https://chat.example.com")
        return cls(found["scheme"].lower(), HostPattern.parse(found["host"]), found["host"].endswith(":*"))

    def matches(self, scheme: str, host: Host) -> bool:
        if scheme != self.scheme or not self.host.matches_name(host.name):
            return False
        default = DEFAULT_PORTS.get(scheme)
        return self.any_port or (host.port or default) == (self.host.port or default)


@dataclass(frozen=True)
class AllowedSources:
    """The hosts that the server goes by, and the origins of web pages that may call it."""

    hosts: Sequence[HostPattern]
    origins: Sequence[OriginPattern]
    opaque_origin: bool = False
    literal_origins: frozenset[str] = frozenset()
    any_host: bool = False
    any_origin: bool = False

    @classmethod
    def from_settings(cls, settings: Settings, address: str | None = None) -> Self:
        """Those of a server that listens on the address. Raises AllowedSourcesError."""
        hosts = [*LOOPBACK_HOSTS, *_own(address), *(host for host in settings.allowed_hosts if host != ANY)]
        loopback = [f"{scheme}://{host}:*" for scheme in DEFAULT_PORTS for host in LOOPBACK_HOSTS]
        named = [origin for origin in settings.allowed_origins if origin not in (ANY, OPAQUE)]
        literal = frozenset(origin for origin in named if _is_literal(origin))
        patterns = [*loopback, *(origin for origin in named if origin not in literal)]
        return cls(
            _parsed(HostPattern.parse, hosts, "allowed_hosts"),
            _parsed(OriginPattern.parse, patterns, "allowed_origins"),
            OPAQUE in settings.allowed_origins,
            literal,
            ANY in settings.allowed_hosts,
            ANY in settings.allowed_origins,
        )

    @property
    def risks(self) -> Sequence[str]:
        """What of it switches a check off, for whoever starts the server."""
        risks = []
        if self.any_host:
            risks.append(
                f"{PREFIX}ALLOWED_HOSTS=* switches the check of the Host header off, which keeps web pages out that "
                "rebind their name to this server's address: name its hosts instead. Origins are still checked"
            )
        if self.any_origin:
            risks.append(
                f"{PREFIX}ALLOWED_ORIGINS=* lets the web pages of every site call this server and read its answers: "
                "name their origins instead"
            )
        return risks

    def serves(self, host: str | None) -> bool:
        """Whether the server answers to this Host header."""
        if self.any_host:
            return True
        given = Host.parse(host or "")
        return given is not None and any(pattern.matches(given) for pattern in self.hosts)

    def accepts(self, origin: str | None) -> bool:
        """Whether requests of this origin are answered: those of allowed origins, and of the hosts that are named.

        A server that goes by all hosts knows no origin as its own: what a browser says in Host is what a page that was
        rebound to this address says in Origin.
        """
        if not origin or self.shares_with(origin):
            return True
        source = _parts(origin)
        if source is None or source[0] not in DEFAULT_PORTS:
            return False
        scheme, host = source
        given = Host(host.name, host.port or DEFAULT_PORTS[scheme])
        return any(pattern.matches(given) for pattern in self.hosts)

    def shares_with(self, origin: str) -> bool:
        """Whether web pages of this origin may read the answers: of allowed origins and of the loopback hosts.

        Pages of the server's own host need no leave, and allowing a host says nothing about who else may read.
        """
        if self.any_origin or origin in self.literal_origins or (self.opaque_origin and origin == OPAQUE):
            return True
        source = _parts(origin)
        return source is not None and any(pattern.matches(*source) for pattern in self.origins)


def _own(address: str | None) -> list[str]:
    """The host by which a server is reached that listens on the address; none where that says nothing of it.

    All addresses of a machine are no host, and one with a zone (`fe80::1%eth0`) is in no Host header.
    """
    try:
        own = HostPattern.parse(address or "")
    except PatternError:
        return []
    return [] if own.wildcard or own.name.strip("[]") in ANY_ADDRESS else [own.name]


def _is_literal(origin: str) -> bool:
    """Whether an allowed origin is none of a host, and matches no other than itself."""
    found = _NO_WEB_PAGE.fullmatch(origin)
    return found is not None and origin.partition("://")[0].lower() not in DEFAULT_PORTS and _parts(origin) is None


def _parts(origin: str) -> tuple[str, Host] | None:
    """Scheme and host of an Origin header; None where it has none."""
    found = _ORIGIN.fullmatch(origin)
    host = Host.parse(found["host"]) if found else None
    return (found["scheme"].lower(), host) if found and host else None


_Pattern = TypeVar("_Pattern")


def _parsed(parse: Callable[[str], _Pattern], texts: Sequence[str], setting: str) -> Sequence[_Pattern]:
    try:
        return tuple(parse(text) for text in texts)
    except PatternError as error:
        raise AllowedSourcesError(f"{PREFIX}{setting.upper()}: {error}") from error
