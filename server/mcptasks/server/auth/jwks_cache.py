"""The JWKS cache: the public keys of an issuer (RFC 7517), fetched, kept, and fetched again when needed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import httpx2
import jwt

from mcptasks.network.proxies import http_client

logger = logging.getLogger(__name__)

FRESH_SECONDS = 300.0
"""Age from which keys are fetched again, while calls still use the old ones."""

STALE_SECONDS = 86_400.0
"""How long keys are used while the issuer cannot be reached."""

UNKNOWN_KEY_SECONDS = 10.0
"""Shortest time between two fetches for tokens with an unknown key: anybody can send such tokens."""

RETRY_SECONDS = 5.0
"""Shortest time from a failed fetch to the next one."""

ANSWER_SECONDS = 5.0
"""How long the issuer may be silent."""

FETCH_SECONDS = 15.0
"""How long a fetch may take in all, however slowly the answer comes: all who wait for keys wait for this one fetch."""

MAX_BYTES = 1024 * 1024

ALGORITHMS = {
    "RSA": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    "EC": ("ES256", "ES384", "ES512"),
    "OKP": ("EdDSA",),
}
"""Signature algorithms by key type. None of them needs a secret that the server would share."""

Fetch: TypeAlias = Callable[[str], Awaitable[bytes]]


class KeysUnavailableError(Exception):
    """No token can be verified now because the issuer's keys are missing; the message says why."""


@dataclass(frozen=True)
class SigningKey:
    """One public key of an issuer."""

    key_id: str | None
    algorithms: tuple[str, ...]
    key: jwt.PyJWK


async def fetch(url: str, seconds: float = FETCH_SECONDS) -> bytes:
    """The body at the URL, if it comes within `seconds`. Redirects are not followed. Raises KeysUnavailableError."""
    try:
        # Compressed, a few bytes could be any number of them.
        http = http_client(url, timeout=ANSWER_SECONDS, headers={"Accept-Encoding": "identity"})
        async with asyncio.timeout(seconds), http, http.stream("GET", url) as answer:
            return await _body(url, answer)
    except TimeoutError as error:
        raise KeysUnavailableError(f"{url} has not answered in full within {seconds:g} s") from error
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        raise KeysUnavailableError(f"{url} cannot be reached: {error or type(error).__name__}") from error


async def _body(url: str, answer: httpx2.Response) -> bytes:
    if answer.status_code != httpx2.codes.OK:
        raise KeysUnavailableError(f"{url} answered HTTP {answer.status_code}")
    if answer.headers.get("Content-Encoding", "identity") != "identity":
        raise KeysUnavailableError(f"{url} answered with a compressed body, which was not asked for")
    body = bytearray()
    async for part in answer.aiter_raw():
        body += part
        if len(body) > MAX_BYTES:
            raise KeysUnavailableError(f"{url} answered more than {MAX_BYTES} bytes")
    return bytes(body)


def parse_keys(url: str, body: bytes) -> tuple[SigningKey, ...]:
    """The keys of a JWK set that verify signatures; others are left out. Raises KeysUnavailableError for none."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise KeysUnavailableError(f"{url} is not JSON, so not a JWK set") from error
    found = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(found, list):
        raise KeysUnavailableError(f"{url} is not a JWK set: it has no `keys`")
    keys = tuple(key for item in found if isinstance(item, dict) and (key := _signing_key(item)))
    if not keys:
        raise KeysUnavailableError(f"{url} has no key for signatures of type {', '.join(ALGORITHMS)}")
    return keys


def _signing_key(item: dict[str, object]) -> SigningKey | None:
    algorithms = ALGORITHMS.get(str(item.get("kty")), ())
    if item.get("use") == "enc" or not algorithms:
        return None
    if "alg" in item:
        algorithms = tuple(name for name in algorithms if name == item["alg"])
    try:
        key = jwt.PyJWK(item)
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        logger.warning("a key of the issuer cannot be used: %s", error)
        return None
    return SigningKey(key.key_id, algorithms, key) if algorithms else None


@dataclass(eq=False)
class JwksCache:
    """The keys at one URL, kept between the calls that use them."""

    url: str
    fetch: Fetch = fetch
    clock: Callable[[], float] = time.monotonic
    _keys: tuple[SigningKey, ...] = field(default=(), init=False)
    _fetched_at: float = field(default=0.0, init=False)
    _failed_at: float = field(default=0.0, init=False)
    _failure: str | None = field(default=None, init=False)
    _fetching: asyncio.Task[None] | None = field(default=None, init=False)

    async def find(self, key_id: str | None, algorithm: str) -> SigningKey | None:
        """The key of that id, or the only one for the algorithm where a token names none; None where there is none.

        Raises:
            KeysUnavailableError: there are no keys yet, or none of that id and no newer ones can be had.
        """
        age = self.clock() - self._fetched_at
        if not self._keys or age > STALE_SECONDS:
            await self._fetched()
        elif age > FRESH_SECONDS:
            self.start()
        key = self._known(key_id, algorithm)
        if key is None and self.clock() - self._fetched_at > UNKNOWN_KEY_SECONDS:
            await self._fetched()
            key = self._known(key_id, algorithm)
        return key

    def start(self) -> asyncio.Task[None] | None:
        """Fetch the keys in the background. Gives the fetch that is under way; None shortly after a failed one."""
        if self._fetching is not None and not self._fetching.done():
            return self._fetching
        if self._failure is not None and self.clock() - self._failed_at < RETRY_SECONDS:
            return None
        self._fetching = asyncio.get_running_loop().create_task(self._fetch())
        return self._fetching

    async def aclose(self) -> None:
        """End a fetch that is under way."""
        if self._fetching is not None:
            self._fetching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._fetching

    async def _fetched(self) -> None:
        fetching = self.start()
        if fetching is not None:
            # Others may wait for the same fetch when this caller is gone.
            await asyncio.shield(fetching)
        if self._failure is not None:
            raise KeysUnavailableError(self._failure)

    async def _fetch(self) -> None:
        try:
            self._keys = parse_keys(self.url, await self.fetch(self.url))
        except KeysUnavailableError as error:
            self._failure, self._failed_at = str(error), self.clock()
            kept = "those that are known stay in use" if self._keys else "no token can be verified"
            logger.warning("cannot fetch the issuer's keys: %s; %s", error, kept)
        else:
            self._failure, self._fetched_at = None, self.clock()

    def _known(self, key_id: str | None, algorithm: str) -> SigningKey | None:
        fitting = [key for key in self._keys if algorithm in key.algorithms]
        if key_id is None:
            return fitting[0] if len(fitting) == 1 else None
        return next((key for key in fitting if key.key_id == key_id), None)
