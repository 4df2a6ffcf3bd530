"""Bodies that arrive at the endpoint at the same time: so many bytes of them, and of one caller half of that."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from starlette.types import Message, Receive, Scope, Send

from mcptasks.server.body_structure import FREE_BYTES, BodyStructure
from mcptasks.settings import KIB, MIB
from mcptasks.tasks.byte_budget import ByteBudget

pytestmark = pytest.mark.anyio

OK: Message = {"type": "http.response.start", "status": 200, "headers": []}


async def answering(_scope: Scope, receive: Receive, send: Send) -> None:
    """Reads the whole body, and answers."""
    while (message := await receive()).get("more_body"):
        pass
    if message["type"] == "http.request":
        await send(OK)
        await send({"type": "http.response.body", "body": b"done"})


@dataclass(eq=False)
class SlowSender:
    """A request whose body comes as it is sent here."""

    coming: asyncio.Queue[Message] = field(default_factory=asyncio.Queue)
    answered: list[Message] = field(default_factory=list)

    async def send(self, message: Message) -> None:
        self.answered.append(message)

    def part(self, size: int, *, last: bool = False) -> None:
        self.coming.put_nowait({"type": "http.request", "body": b" " * size, "more_body": not last})

    @property
    def status(self) -> int:
        return int(self.answered[0]["status"])


@dataclass
class SmallEndpoint:
    """A middleware with room for 1 MiB of bodies; whose request it is stands in `caller`."""

    budget: ByteBudget = field(default_factory=lambda: ByteBudget(MIB))
    caller: str = "ann"

    def __post_init__(self) -> None:
        self.app = BodyStructure(
            answering, lambda _scope: True, 4 * MIB, 100, self.budget, lambda: self.caller, seconds=0.01
        )

    @asynccontextmanager
    async def request(self, caller: str) -> AsyncIterator[SlowSender]:
        """A request of the caller's; its browser goes away at the end, if it has not been answered."""
        self.caller, sender = caller, SlowSender()
        serving = asyncio.create_task(self.app({"type": "http"}, sender.coming.get, sender.send))
        await asyncio.sleep(0)
        try:
            yield sender
        finally:
            sender.coming.put_nowait({"type": "http.disconnect"})
            await serving

    async def answer(self, caller: str, size: int) -> SlowSender:
        """A request that comes at once."""
        async with self.request(caller) as sender:
            sender.part(size, last=True)
        return sender


async def taken(budget: ByteBudget, size: int) -> None:
    """Wait until so much is taken."""
    async with asyncio.timeout(20):
        while budget.taken != size:  # noqa: ASYNC110 (nothing tells)
            await asyncio.sleep(0)


async def test_a_caller_whose_bodies_take_half_of_the_room_takes_nothing_of_anothers() -> None:
    endpoint = SmallEndpoint()
    async with endpoint.request("ann") as stalled:
        stalled.part(FREE_BYTES + 400 * KIB)
        await taken(endpoint.budget, 400 * KIB)
        refused = await endpoint.answer("ann", FREE_BYTES + 200 * KIB)
        assert refused.status == 503
        assert (await endpoint.answer("bob", FREE_BYTES + 200 * KIB)).status == 200
    assert endpoint.budget.taken == 0
    assert (await endpoint.answer("ann", FREE_BYTES + 200 * KIB)).status == 200


async def test_who_is_refused_is_told_when_to_come_back() -> None:
    endpoint = SmallEndpoint()
    async with endpoint.request("ann") as stalled:
        stalled.part(FREE_BYTES + 512 * KIB)
        await taken(endpoint.budget, 512 * KIB)
        refused = await endpoint.answer("ann", FREE_BYTES + 1)
    start, body = refused.answered
    assert (b"retry-after", b"5") in start["headers"]
    assert (b"connection", b"close") in start["headers"]
    assert json.loads(body["body"])["error"]["code"] == -32603


async def test_small_bodies_go_through_whatever_arrives() -> None:
    endpoint = SmallEndpoint()
    async with endpoint.request("ann") as stalled:
        stalled.part(FREE_BYTES + 512 * KIB)
        await taken(endpoint.budget, 512 * KIB)
        assert (await endpoint.answer("ann", FREE_BYTES)).status == 200


async def test_what_has_arrived_in_many_parts_counts_as_in_one_and_is_given_back_when_it_is_answered() -> None:
    endpoint = SmallEndpoint()
    async with endpoint.request("ann") as sender:
        for _ in range(10):
            sender.part(32 * KIB)
        await taken(endpoint.budget, 320 * KIB - FREE_BYTES)
        sender.part(1, last=True)
        await taken(endpoint.budget, 0)
    assert sender.status == 200
