"""Bodies are counted as they come: what a request announces takes no room."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from starlette.requests import Request
from starlette.types import Message

from mcptasks.gateway.refusals import RefusedError
from mcptasks.gateway.request_bodies import FREE_BYTES, STALL_BYTES, BodyReader
from mcptasks.settings import KIB

pytestmark = pytest.mark.anyio

LIMIT = 1024 * KIB


def request(*sizes: int, length: int | None = None, pauses: Sequence[float] = ()) -> Request:
    """A request whose body comes in pieces of these sizes, each after its pause."""
    waits = iter(pauses)
    pieces = [b"x" * size for size in sizes]
    messages = iter([(piece, number < len(pieces)) for number, piece in enumerate(pieces, start=1)])

    async def receive() -> Message:
        body, more = next(messages)
        await asyncio.sleep(next(waits, 0.0))
        return {"type": "http.request", "body": body, "more_body": more}

    headers = [] if length is None else [(b"content-length", str(length).encode())]
    return Request({"type": "http", "headers": headers}, receive)


async def test_what_is_announced_takes_no_room() -> None:
    bodies = BodyReader(total=LIMIT)
    with bodies.upload("one"), bodies.upload("two"), bodies.upload("three") as third:
        assert len(await third.read(request(LIMIT, length=LIMIT), LIMIT)) == LIMIT


async def test_what_has_come_takes_room_until_it_has_been_used() -> None:
    bodies = BodyReader(total=LIMIT)
    with bodies.upload("one") as first:
        await first.read(request(LIMIT // 2, LIMIT // 2), LIMIT)
        with bodies.upload("two") as second, pytest.raises(RefusedError, match="too many large bodies"):
            await second.read(request(LIMIT // 2, LIMIT // 2), LIMIT)
    with bodies.upload("two") as second:
        assert len(await second.read(request(LIMIT // 2, LIMIT // 2), LIMIT)) == LIMIT


async def test_small_bodies_go_through_while_large_ones_wait() -> None:
    bodies = BodyReader(total=LIMIT)
    with bodies.upload("large") as large:
        await large.read(request(LIMIT), LIMIT)
        with bodies.upload("small") as small:
            assert len(await small.read(request(FREE_BYTES), LIMIT)) == FREE_BYTES


async def test_a_sender_has_one_body_at_a_time() -> None:
    bodies = BodyReader(total=LIMIT)
    with bodies.upload("one"), pytest.raises(RefusedError, match="one at a time"), bodies.upload("one"):
        pass
    with bodies.upload("one") as again:
        assert await again.read(request(2), LIMIT) == b"xx"


async def test_a_body_that_drips_is_refused() -> None:
    bodies = BodyReader(total=LIMIT, stall_seconds=0.3)
    with bodies.upload("one") as upload, pytest.raises(RefusedError, match="did not arrive in time"):
        await upload.read(request(*[1] * 100, pauses=[0.05] * 100), LIMIT)


async def test_a_large_body_may_take_its_time_while_it_moves() -> None:
    bodies = BodyReader(total=LIMIT, stall_seconds=0.5)
    with bodies.upload("one") as upload:
        sizes = [STALL_BYTES] * 8
        assert len(await upload.read(request(*sizes, pauses=[0.1] * 8), LIMIT)) == sum(sizes)


async def test_a_body_that_is_too_large_is_refused_when_it_is_announced_or_comes() -> None:
    bodies = BodyReader(total=LIMIT)
    with bodies.upload("one") as upload:
        for large in (request(length=LIMIT + 1), request(LIMIT, 1)):
            with pytest.raises(RefusedError) as refused:
                await upload.read(large, LIMIT)
            assert refused.value.status == 413
