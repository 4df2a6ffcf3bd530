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
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Protocol

from starlette.requests import HTTPConnection

from mcptasks.dashboard.review_turns import WAIT_SECONDS, ReviewTurns
from mcptasks.dashboard.rights import Viewer
from mcptasks.dashboard.seals import Seals
from mcptasks.kube.reviews import KubeUser
from mcptasks.tasks.limits import SharedRate

TOKEN_COOKIE = "mcptasks-token"
REMEMBERED_SECONDS = 60.0
REMEMBERED_TOKENS = 4096
MAX_TOKEN_CHARACTERS = 8192
MAX_GROUPS = 500
BAD_TOKENS_PER_SECOND = 5.0
"""Reviews for one address that may end with a no, with bursts of twice as many; ten times as many for all addresses.

Just as many for one cookie that was sealed here, and for all of these.
"""

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
    """Has the API server say whose token it is, and believes that for a minute.

    Of each token there is one review at a time. How many may end with a no is bounded for the address that they come
    from, which the `trusted` proxies tell where there are some; for a cookie that was sealed here, and so was valid
    once, for that cookie alone: nobody's bad tokens hold it up.
    """

    review: TokenReview
    seals: Seals
    trusted: Sequence[Network] = ()
    asks_for_token: bool = True
    clock: Callable[[], float] = time.monotonic
    wait_seconds: float = WAIT_SECONDS
    _known: OrderedDict[bytes, tuple[float, KubeUser]] = field(default_factory=OrderedDict)
    _reviews: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(8))
    _in_review: dict[bytes, asyncio.Task[KubeUser | None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._of_sources = self._turns()
        self._of_cookies = self._turns()

    def _turns(self) -> ReviewTurns:
        return ReviewTurns(SharedRate.of(BAD_TOKENS_PER_SECOND), self.clock, self.wait_seconds)

    async def viewer(self, connection: HTTPConnection) -> Viewer | None:
        token = _bearer(connection.headers.get("authorization", ""))
        sealed = connection.cookies.get(TOKEN_COOKIE) if token is None else None
        if sealed:
            token = self.seals.opened(sealed)
        source = client_of(connection, self.trusted)
        user = await self.user_of(token, source, is_from_cookie=bool(sealed)) if token else None
        return None if user is None else Viewer(user)

    async def user_of(self, token: str, source: str, *, is_from_cookie: bool = False) -> KubeUser | None:
        """Whose token it is; None where it is not valid. `source`: the address that it came from.

        Raises KubeError, also where too many tokens came that are not valid; one that was goes on.
        """
        if len(token) > MAX_TOKEN_CHARACTERS or not token.isascii() or not token.isprintable():
            return None
        digest = hashlib.sha256(token.encode()).digest()
        until, user = self._known.get(digest, (0.0, None))
        if user is not None and until > self.clock():
            return user
        reviewing = self._in_review.get(digest)
        if reviewing is None:
            turns, key = (self._of_cookies, digest.hex()) if is_from_cookie else (self._of_sources, source)
            reviewing = asyncio.create_task(self._reviewed(token, digest, turns, key))
            self._in_review[digest] = reviewing
            reviewing.add_done_callback(partial(self._forget_review, digest))
        # Whoever goes away takes the review from nobody else.
        return await asyncio.shield(reviewing)

    def _forget_review(self, digest: bytes, reviewing: asyncio.Task[KubeUser | None]) -> None:
        self._in_review.pop(digest, None)
        if not reviewing.cancelled():
            reviewing.exception()

    async def _reviewed(self, token: str, digest: bytes, turns: ReviewTurns, key: str) -> KubeUser | None:
        turn: AbstractAsyncContextManager[None] = nullcontext() if digest in self._known else turns.turn(key)
        async with turn:
            async with self._reviews:
                found = await self.review(token)
            if found is None:
                turns.count_bad(key)
        self._known.pop(digest, None)
        if found is not None:
            self._known[digest] = (self.clock() + REMEMBERED_SECONDS, found)
            if len(self._known) > REMEMBERED_TOKENS:
                self._known.popitem(last=False)
        return found


def peer_of(connection: HTTPConnection) -> str:
    """The address that the connection is from."""
    return connection.client.host if connection.client else ""


def client_of(connection: HTTPConnection, trusted: Sequence[Network]) -> str:
    """The address that a request is from: what trusted proxies have forwarded it for, else the connection's."""
    found = peer_of(connection)
    for said in reversed(",".join(connection.headers.getlist("x-forwarded-for")).split(",")):
        if not (_is_within(found, trusted) and _is_address(said.strip())):
            break
        found = said.strip()
    return found


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


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _bearer(header: str) -> str | None:
    scheme, _, token = header.partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None
