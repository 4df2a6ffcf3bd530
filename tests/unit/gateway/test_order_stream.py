"""A worker's orders on the wire, and workers that take none."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from mcptasks.gateway.contract import DrainOrder, WithdrawOrder
from mcptasks.gateway.order_stream import OrderStream, StreamPace
from mcptasks.gateway.pods import PodIdentity
from mcptasks.gateway.worker_link import WorkerLink
from mcptasks.gateway.workers import WorkerPod
from tests.unit.gateway.builders import NOW

pytestmark = pytest.mark.anyio


class Connection:
    """The server's side of a connection: keeps what is sent, until it takes nothing more."""

    def __init__(self, takes: int = 1000) -> None:
        self.takes = takes
        self.sent: list[dict[str, Any]] = []
        self.gone = asyncio.Event()
        self.some = asyncio.Event()

    async def send(self, message: Any) -> None:
        if len(self.sent) >= self.takes:
            await asyncio.Event().wait()
        self.sent.append(message)
        self.some.set()

    async def receive(self) -> Any:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    @property
    def orders(self) -> list[Any]:
        lines = b"".join(message.get("body", b"") for message in self.sent).splitlines()
        return [json.loads(line)["kind"] for line in lines]


def a_link() -> WorkerLink:
    pod = WorkerPod(PodIdentity("ns", "w", "w1"), "warm", "t", "h", NOW)
    return WorkerLink(pod, "digest")


async def serve(link: WorkerLink, connection: Connection, pace: StreamPace) -> list[WorkerLink]:
    ended: list[WorkerLink] = []
    await OrderStream(link, ended.append, pace)({"type": "http"}, connection.receive, connection.send)
    return ended


async def test_each_order_is_a_line_and_something_comes_all_the_time() -> None:
    link, connection = a_link(), Connection()
    link.send(WithdrawOrder(uid="u"))
    serving = asyncio.create_task(serve(link, connection, StreamPace(0.01, 5)))
    while connection.orders.count("alive") < 2:
        connection.some.clear()
        await connection.some.wait()
    link.send(DrainOrder())
    link.close()
    assert await serving == [link]
    assert connection.orders[0] == "withdraw"
    assert connection.orders[-1] == "drain"
    assert connection.sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}
    headers = dict(connection.sent[0]["headers"])
    assert headers[b"content-type"].startswith(b"application/x-ndjson")
    assert b"content-length" not in headers


async def test_a_worker_that_takes_nothing_counts_as_gone() -> None:
    """As behind a connection that only one side has, and on a worker that is stopped."""
    link, connection = a_link(), Connection(takes=2)
    with pytest.raises(TimeoutError):
        await serve(link, connection, StreamPace(0.01, 0.1))
    assert link.closed


async def test_a_worker_that_goes_is_told_nothing_more() -> None:
    link, connection = a_link(), Connection()
    serving = asyncio.create_task(serve(link, connection, StreamPace(5, 5)))
    connection.gone.set()
    assert await serving == [link]
    assert link.closed
    link.send(DrainOrder())
    assert connection.orders == []
