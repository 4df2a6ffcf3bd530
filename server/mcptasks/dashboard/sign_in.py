"""Who a request comes from: by a token of the Kubernetes API, by the headers of an authenticating proxy, or not asked.

A token is typed in once, or sent as a bearer token. The browser keeps it sealed, in a cookie that no script reads and
no other site can send.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Protocol

from starlette.requests import HTTPConnection

from mcptasks.dashboard.rights import Viewer
from mcptasks.dashboard.seals import Seals
from mcptasks.kube.errors import UnavailableError
from mcptasks.kube.reviews import KubeUser
from mcptasks.tasks.limits import InProgress, SharedRate

TOKEN_COOKIE = "mcptasks-token"
REMEMBERED_SECONDS = 60.0
REMEMBERED_TOKENS = 4096
MAX_TOKEN_CHARACTERS = 8192
MAX_GROUPS = 500
BAD_TOKENS_PER_SECOND = 5.0
"""Reviews for one address that may end with a no, with bursts of twice as many; ten times as many for all addresses."""

SYSTEM = "system:"
AUTHENTICATED = "system:authenticated"

Network = IPv4Network | IPv6Network


class SignInError(ValueError):
    """The settings do not say who may look; the message says what to change."""


class TokenReview(Protocol):
    """Finds out whose token it is."""

    async def __call__(self, token: str) -> KubeUser | None:
        """The user; None where the token is not valid. Raises KubeError."""
        ...


class SignIn(Protocol):
    """Tells who a request comes from."""

    @property
    def asks_for_token(self) -> bool:
        """Whether there is a page to sign in at."""
        ...

    async def viewer(self, connection: HTTPConnection) -> Viewer | None:
        """Who looks; None where that is not known. Raises KubeError."""
        ...


@dataclass(frozen=True)
class OpenSignIn:
    """Asks nobody: whoever reaches the page has this machine."""

    asks_for_token: bool = False

    async def viewer(self, connection: HTTPConnection) -> Viewer | None:
        return Viewer()


@dataclass(frozen=True)
class ProxySignIn:
    """Believes the headers of authenticating proxies, and of nobody else.

    A proxy vouches for people: names and groups of the cluster's own components are not taken from it.
    """

    trusted: Sequence[Network]
    user_header: str
    groups_header: str
    asks_for_token: bool = False

    async def viewer(self, connection: HTTPConnection) -> Viewer | None:
        peer = peer_of(connection)
        names = connection.headers.getlist(self.user_header)
        if not _is_within(peer, self.trusted) or len(names) != 1:
            return None
        name, said = names[0].strip(), connection.headers.getlist(self.groups_header)
        # Of two headers one may be what the client has sent, to which the proxy has added its own.
        if not name or name.startswith(SYSTEM) or len(said) > 1:
            return None
        given = ",".join(said).split(",")[:MAX_GROUPS]
        groups = [group.strip() for group in given if group.strip() and not group.strip().startswith(SYSTEM)]
        return Viewer(KubeUser(name, (*groups, AUTHENTICATED)))


@dataclass
class TokenSignIn:
    """Has the API server say whose token it is, and believes that for a minute."""

    review: TokenReview
    seals: Seals
    asks_for_token: bool = True
    clock: Callable[[], float] = time.monotonic
    _known: OrderedDict[bytes, tuple[float, KubeUser]] = field(default_factory=OrderedDict)
    _reviews: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(8))
    _bad_tokens: SharedRate = field(default_factory=lambda: SharedRate.of(BAD_TOKENS_PER_SECOND))
    _undecided: InProgress = field(default_factory=InProgress)

    async def viewer(self, connection: HTTPConnection) -> Viewer | None:
        token = _bearer(connection.headers.get("authorization", ""))
        if token is None:
            sealed = connection.cookies.get(TOKEN_COOKIE)
            token = self.seals.opened(sealed) if sealed else None
        user = await self.user_of(token, peer_of(connection)) if token else None
        return None if user is None else Viewer(user)

    async def user_of(self, token: str, peer: str) -> KubeUser | None:
        """Whose token it is; None where it is not valid. `peer`: the address that it came from.

        Raises KubeError, also where too many tokens came that are not valid; one that was goes on.
        """
        if len(token) > MAX_TOKEN_CHARACTERS or not token.isascii() or not token.isprintable():
            return None
        digest = hashlib.sha256(token.encode()).digest()
        until, user = self._known.get(digest, (0.0, None))
        if user is not None and until > self.clock():
            return user
        if digest not in self._known and not self._bad_tokens.has_room(peer, self.clock(), self._undecided):
            raise UnavailableError(0, "TooManyTokens", "too many tokens came that are not valid; wait a little")
        with self._undecided.one_more(peer):
            async with self._reviews:
                found = await self.review(token)
        if found is None:
            self._bad_tokens.allows(peer, self.clock())
        self._known.pop(digest, None)
        if found is not None:
            self._known[digest] = (self.clock() + REMEMBERED_SECONDS, found)
            if len(self._known) > REMEMBERED_TOKENS:
                self._known.popitem(last=False)
        return found


def peer_of(connection: HTTPConnection) -> str:
    """The address that the connection is from."""
    return connection.client.host if connection.client else ""


def networks(texts: Sequence[str]) -> Sequence[Network]:
    """The networks of the trusted proxies. Raises SignInError."""
    try:
        return tuple(ip_network(text) for text in texts)
    except ValueError as error:
        raise SignInError(
            f"MCPTASKS_DASHBOARD_TRUSTED_PROXIES: {error}; give addresses or networks, as in 10.0.3.0/24"
        ) from error


def _is_within(peer: str, trusted: Sequence[Network]) -> bool:
    try:
        address = ip_address(peer)
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return any(address in network for network in trusted)


def _bearer(header: str) -> str | None:
    scheme, _, token = header.partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None
