"""The issuer's keys are kept, follow a rotation, and outlive an issuer that is away."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from mcptasks.model.base import JsonObject
from mcptasks.server.auth.jwks_cache import (
    FRESH_SECONDS,
    MAX_BYTES,
    RETRY_SECONDS,
    STALE_SECONDS,
    UNKNOWN_KEY_SECONDS,
    JwksCache,
    KeysUnavailableError,
    fetch,
    parse_keys,
)
from tests.support.issuer import Issuer, KeyPair, issuing

OLD, NEW = KeyPair.rsa("old"), KeyPair.rsa("new")


@dataclass
class IssuerAndClock:
    """An issuer and a clock that the test moves."""

    issuer: Issuer = field(default_factory=lambda: Issuer([OLD]))
    now: float = 1000.0
    down: bool = False

    def keys(self) -> JwksCache:
        async def answer(url: str) -> bytes:
            _, body = self.issuer.answer()
            if self.down:
                raise KeysUnavailableError(f"{url} cannot be reached")
            return body

        return JwksCache("https://issuer.example/keys", answer, lambda: self.now)


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(test)


async def known(keys: JwksCache, key_id: str) -> bool:
    return await keys.find(key_id, "RS256") is not None


def test_keys_are_fetched_once_for_all_calls() -> None:
    world = IssuerAndClock()

    async def test() -> None:
        keys = world.keys()
        assert all(await asyncio.gather(*(known(keys, "old") for _ in range(20))))
        assert await known(keys, "old")
        assert world.issuer.asked == 1

    run(test())


def test_a_new_key_is_fetched_when_a_token_names_it() -> None:
    world = IssuerAndClock()

    async def test() -> None:
        keys = world.keys()
        assert await known(keys, "old")
        world.issuer.keys = [NEW]
        world.now += UNKNOWN_KEY_SECONDS + 1
        assert await known(keys, "new")
        assert not await known(keys, "old")

    run(test())


def test_unknown_keys_do_not_flood_the_issuer() -> None:
    world = IssuerAndClock()

    async def test() -> None:
        keys = world.keys()
        for number in range(20):
            assert not await known(keys, f"made-up-{number}")
        assert world.issuer.asked == 1
        world.now += UNKNOWN_KEY_SECONDS + 1
        for number in range(20):
            assert not await known(keys, f"made-up-{number}")
        assert world.issuer.asked == 2

    run(test())


def test_keys_that_are_no_longer_fresh_are_renewed_beside_the_call() -> None:
    world = IssuerAndClock()

    async def test() -> None:
        keys = world.keys()
        assert await known(keys, "old")
        world.issuer.keys = [NEW]
        world.now += FRESH_SECONDS + 1
        assert await known(keys, "old")
        await (keys.start() or asyncio.sleep(0))
        assert await known(keys, "new")
        assert world.issuer.asked >= 2

    run(test())


def test_known_keys_outlive_an_issuer_that_is_away_for_a_day() -> None:
    world = IssuerAndClock()

    async def test() -> None:
        keys = world.keys()
        assert await known(keys, "old")
        world.down = True
        world.now += FRESH_SECONDS + 1
        assert await known(keys, "old")
        await (keys.start() or asyncio.sleep(0))
        assert await known(keys, "old")
        with pytest.raises(KeysUnavailableError, match=r"issuer\.example/keys cannot be reached"):
            await known(keys, "new")
        world.now += STALE_SECONDS
        with pytest.raises(KeysUnavailableError):
            await known(keys, "old")

    run(test())


def test_an_issuer_that_is_away_is_asked_again_after_a_while() -> None:
    world = IssuerAndClock(down=True)

    async def test() -> None:
        keys = world.keys()
        for _ in range(10):
            with pytest.raises(KeysUnavailableError):
                await known(keys, "old")
        assert world.issuer.asked == 1
        world.down = False
        world.now += RETRY_SECONDS + 1
        assert await known(keys, "old")

    run(test())


def test_a_caller_who_leaves_takes_the_fetch_from_nobody() -> None:
    release = asyncio.Event()

    async def slow(_: str) -> bytes:
        await release.wait()
        return Issuer([OLD]).answer()[1]

    async def test() -> None:
        keys = JwksCache("https://issuer.example/keys", slow)
        first = asyncio.create_task(known(keys, "old"))
        second = asyncio.create_task(known(keys, "old"))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait([first])
        release.set()
        assert await second

    run(test())


def test_closing_ends_a_fetch() -> None:
    async def never(_: str) -> bytes:
        await asyncio.Event().wait()
        raise AssertionError

    async def test() -> None:
        keys = JwksCache("https://issuer.example/keys", never)
        fetching = keys.start()
        await keys.aclose()
        assert fetching is not None
        assert fetching.cancelled()

    run(test())


RSA_JWK = OLD.public


@pytest.mark.parametrize(
    "other",
    [
        {"kty": "oct", "k": "c2VjcmV0", "kid": "secret"},
        RSA_JWK | {"kid": "for-encryption", "use": "enc"},
        RSA_JWK | {"kid": "encrypts", "alg": "RSA-OAEP"},
        {"kty": "RSA", "kid": "broken", "n": "!", "e": "AQAB"},
        {"kty": "EC", "kid": "curve", "crv": "P-1", "x": "AA", "y": "AA"},
        "nonsense",
    ],
)
def test_keys_that_verify_no_signature_are_left_out(other: object) -> None:
    assert [key.key_id for key in parse_keys("url", json.dumps({"keys": [other, RSA_JWK]}).encode())] == ["old"]


def test_a_key_that_names_its_algorithm_is_for_that_one_only() -> None:
    [key] = parse_keys("url", json.dumps({"keys": [RSA_JWK | {"alg": "RS512"}]}).encode())
    assert key.algorithms == ("RS512",)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"<html>", "not JSON"),
        (b"[]", "has no `keys`"),
        (b"{}", "has no `keys`"),
        (b'{"keys": {}}', "has no `keys`"),
        (b'{"keys": []}', "no key for signatures of type RSA, EC, OKP"),
        (b"[" * 100_000, "not JSON"),
    ],
)
def test_what_is_not_a_key_set_is_named(body: bytes, message: str) -> None:
    with pytest.raises(KeysUnavailableError, match=f"https://issuer.example/keys .*{message}"):
        parse_keys("https://issuer.example/keys", body)


def test_keys_come_over_http() -> None:
    with issuing(OLD, NEW) as issuer:
        body = asyncio.run(fetch(issuer.url))
    assert [key.key_id for key in parse_keys(issuer.url, body)] == ["old", "new"]


@pytest.mark.parametrize("status", [301, 404, 500])
def test_an_answer_without_keys_is_named(status: int) -> None:
    with issuing() as issuer:
        issuer.status = status
        with pytest.raises(KeysUnavailableError, match=f"{issuer.url} answered HTTP {status}"):
            asyncio.run(fetch(issuer.url))


def test_an_issuer_that_is_not_there_is_named() -> None:
    with issuing() as issuer:
        url = issuer.url
    with pytest.raises(KeysUnavailableError, match=f"{url} cannot be reached"):
        asyncio.run(fetch(url))


def test_an_endless_answer_is_cut_off() -> None:
    class Endless(Issuer):
        def answer(self) -> tuple[int, bytes]:
            return 200, b" " * (MAX_BYTES + 1)

    with issuing() as issuer:
        issuer.__class__ = Endless
        with pytest.raises(KeysUnavailableError, match="more than"):
            asyncio.run(fetch(issuer.url))


@asynccontextmanager
async def dripping(head: bytes, drop: bytes) -> AsyncIterator[str]:
    """An issuer that sends the head of its answer, and then the drop again and again."""

    answering: set[asyncio.Task[None] | None] = set()

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answering.add(asyncio.current_task())
        with suppress(ConnectionError), closing(writer):
            writer.write(head)
            while True:
                writer.write(drop)
                await writer.drain()
                await asyncio.sleep(0.01)

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/keys"
    finally:
        server.close()
        await asyncio.gather(*filter(None, answering))


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("head", [CHUNKED, b"HTTP/1.1 200 OK\r\n"], ids=["body", "head"])
def test_an_answer_that_drips_is_given_up(head: bytes) -> None:
    drop = b"1\r\n \r\n" if head is CHUNKED else b"X-Drop: 1\r\n"

    async def test() -> None:
        async with asyncio.timeout(20), dripping(head, drop) as url:
            with pytest.raises(KeysUnavailableError, match=r"in full within 0.3 s"):
                await fetch(url, seconds=0.3)

    run(test())


def test_known_keys_serve_while_the_issuer_drips_and_new_ones_follow() -> None:
    world = IssuerAndClock()

    async def test() -> None:
        async with asyncio.timeout(20), dripping(CHUNKED, b"1\r\n \r\n") as url:
            drips = False

            async def answer(_: str) -> bytes:
                return await fetch(url, seconds=0.3) if drips else world.issuer.answer()[1]

            keys = JwksCache("https://issuer.example/keys", answer, lambda: world.now)
            assert await known(keys, "old")
            world.now += FRESH_SECONDS + 1
            drips = True
            assert await known(keys, "old")
            await asyncio.wait([keys.start() or pytest.fail("nothing is fetched")])
            assert await known(keys, "old")
            drips = False
            world.issuer.keys = [NEW]
            world.now += UNKNOWN_KEY_SECONDS + 1
            assert await known(keys, "new")

    run(test())


def test_a_compressed_answer_is_refused_before_it_grows() -> None:
    packed = gzip.compress(b" " * (64 * MAX_BYTES))
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n".encode()

    async def test() -> None:
        async with dripping(head, packed) as url:
            with pytest.raises(KeysUnavailableError, match="compressed"):
                await fetch(url)

    run(test())


def test_keys_of_no_use_are_reported_once_fetched() -> None:
    document: JsonObject = {"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}

    async def answer(_: str) -> bytes:
        return json.dumps(document).encode()

    async def test() -> None:
        keys = JwksCache("https://issuer.example/keys", answer)
        with pytest.raises(KeysUnavailableError, match="no key for signatures"):
            await known(keys, "old")

    run(test())
