"""Connections end that wait for their client, there are only so many of them, and a new one finds room."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass

import httpx2
import pytest
from aiohttp import web
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from mcptasks.network.connection_table import ConnectionTable
from mcptasks.network.small_site import MAX_CONNECTIONS, small_site
from mcptasks.server.bounded_protocol import ClientPatience
from mcptasks.server.descriptors import LEAST, RESERVED, ConnectionShares, connection_shares
from mcptasks.server.http_server import http_server
from mcptasks.server.sockets import listening_socket

pytestmark = pytest.mark.anyio

QUICK = ClientPatience(header_seconds=0.3, stall_seconds=0.4, stall_bytes=100)
HELLO = b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"
BEGUN_POST = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"


@dataclass
class Program:
    """Answers with what it has read; `/wait` reads its body, and answers when it may."""

    go_on: asyncio.Event

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        if scope["path"] == "/wait":
            await self.go_on.wait()
        body = await Request(scope, receive).body()
        await PlainTextResponse(f"{len(body)} bytes")(scope, receive, send)


@dataclass(frozen=True)
class Port:
    number: int
    program: Program
    table: ConnectionTable

    async def connect(self, first: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.number)
        writer.write(first)
        return reader, writer

    async def get(self, path: str) -> httpx2.Response:
        async with httpx2.AsyncClient(trust_env=False, timeout=20) as http:
            return await http.get(f"http://127.0.0.1:{self.number}{path}")


@asynccontextmanager
async def serving(most: int = 100, patience: ClientPatience = QUICK) -> AsyncIterator[Port]:
    program, table = Program(asyncio.Event()), ConnectionTable("endpoint", most, "MCPTASKS_MAX_CONNECTIONS")
    sock = listening_socket("127.0.0.1", 0, "the port")
    server = http_server(program, 0, table, patience)
    running = asyncio.create_task(server.serve([sock]))
    try:
        async with asyncio.timeout(60):
            while not server.started:  # noqa: ASYNC110 (nothing tells)
                await asyncio.sleep(0.01)
            yield Port(sock.getsockname()[1], program, table)
    finally:
        program.go_on.set()
        server.should_exit = True
        await running


class TestWaiting:
    @pytest.mark.parametrize("sent", [b"", b"GET /hello HT", b"GET /hello HTTP/1.1\r\nHost: x\r\nX-Long: "])
    async def test_a_connection_without_a_whole_header_is_closed(self, sent: bytes) -> None:
        async with serving() as port:
            reader, writer = await port.connect(sent)
            with closing(writer):
                answer = await reader.read()
            assert answer == b"" if not sent else answer.startswith(b"HTTP/1.1 408 ")

    async def test_a_header_that_drips_is_cut_off(self) -> None:
        async with serving() as port:
            reader, writer = await port.connect(b"GET /hello HTTP/1.1\r\nHost: x\r\nX-Long: ")
            with closing(writer):
                answered = asyncio.ensure_future(reader.read())
                while not answered.done():
                    writer.write(b"x")
                    await asyncio.wait([answered], timeout=0.05)
                assert answered.result().startswith(b"HTTP/1.1 408 ")

    async def test_the_same_holds_for_a_second_request(self) -> None:
        async with serving() as port:
            reader, writer = await port.connect(HELLO)
            with closing(writer):
                await reader.readuntil(b"0 bytes")
                writer.write(b"GET /he")
                assert (await reader.read()).startswith(b"HTTP/1.1 408 ")

    async def test_a_connection_that_is_kept_alive_waits_longer_than_for_a_header(self) -> None:
        async with serving() as port:
            reader, writer = await port.connect(HELLO)
            with closing(writer):
                await reader.readuntil(b"0 bytes")
                await asyncio.sleep(3 * QUICK.header_seconds)
                writer.write(HELLO)
                assert await reader.readuntil(b"0 bytes")

    async def test_a_body_that_drips_is_cut_off(self) -> None:
        async with serving() as port:
            reader, writer = await port.connect(BEGUN_POST)
            with closing(writer):
                answered = asyncio.ensure_future(reader.read())
                while not answered.done():
                    writer.write(b"x")
                    await asyncio.wait([answered], timeout=0.1)
                assert answered.result().startswith(b"HTTP/1.1 408 ")

    async def test_a_body_that_comes_slowly_and_comes_is_taken(self) -> None:
        async with serving() as port:
            reader, writer = await port.connect(BEGUN_POST)
            with closing(writer):
                for _ in range(10):
                    await asyncio.sleep(0.1)
                    writer.write(b"x" * 100)
                assert await reader.readuntil(b"1000 bytes")

    async def test_a_body_that_the_program_does_not_read_yet_is_nobodys_fault(self) -> None:
        async with serving() as port:
            reader, writer = await port.connect(
                b"POST /wait HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n0123456789"
            )
            with closing(writer):
                await asyncio.sleep(3 * QUICK.stall_seconds)
                port.program.go_on.set()
                writer.write(b"0123456789")
                assert await reader.readuntil(b"20 bytes")

    async def test_an_answer_that_takes_its_time_is_waited_for(self) -> None:
        async with serving() as port:
            waiting = asyncio.create_task(port.get("/wait"))
            await asyncio.sleep(3 * QUICK.stall_seconds)
            port.program.go_on.set()
            assert (await waiting).text == "0 bytes"


class TestNumbers:
    async def test_silent_connections_make_room_for_one_that_asks(self) -> None:
        async with serving(most=20, patience=ClientPatience()) as port:
            silent = [await port.connect() for _ in range(100)]
            assert (await port.get("/hello")).text == "0 bytes"
            assert len(port.table) <= 20
            for _, writer in silent:
                writer.close()

    async def test_bodies_that_do_not_come_make_room_too(self) -> None:
        async with serving(most=20, patience=ClientPatience()) as port:
            dripping = [await port.connect(BEGUN_POST) for _ in range(20)]
            while len(port.table) < 20:  # noqa: ASYNC110 (nothing tells)
                await asyncio.sleep(0.01)
            assert (await port.get("/hello")).text == "0 bytes"
            for _, writer in dripping:
                writer.close()

    async def test_connections_at_work_are_left_alone_and_a_new_one_is_refused(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with serving(most=20, patience=ClientPatience()) as port:
            waiting = [asyncio.create_task(port.get("/wait")) for _ in range(20)]
            while len(port.table._busy) < 20:  # noqa: ASYNC110 (nothing tells)
                await asyncio.sleep(0.01)
            with caplog.at_level(logging.WARNING):
                refused = [await port.get("/hello") for _ in range(5)]
            assert {answer.status_code for answer in refused} == {503}
            port.program.go_on.set()
            assert {answer.text for answer in await asyncio.gather(*waiting)} == {"0 bytes"}
            assert (await port.get("/hello")).status_code == 200
        told = [record.getMessage() for record in caplog.records if "which is the limit" in record.getMessage()]
        assert len(told) == 1
        assert "MCPTASKS_MAX_CONNECTIONS" in told[0]

    async def test_a_small_port_answers_through_any_number_of_connections(self) -> None:
        async def hello(_request: web.Request) -> web.StreamResponse:
            return web.Response(text="hello")

        application = web.Application()
        application.add_routes([web.get("/hello", hello)])
        async with small_site(application, "127.0.0.1", 0, "health") as number:
            silent = [await asyncio.open_connection("127.0.0.1", number) for _ in range(5 * MAX_CONNECTIONS)]
            async with httpx2.AsyncClient(trust_env=False) as http:
                assert (await http.get(f"http://127.0.0.1:{number}/hello")).text == "hello"
            # Those that had to give way read the end of their connection.
            closed, _ = await asyncio.wait([asyncio.ensure_future(reader.read()) for reader, _ in silent], timeout=1)
            assert len(closed) >= 4 * MAX_CONNECTIONS
            for _, writer in silent:
                writer.close()


class TestShares:
    def test_what_fits_is_given(self) -> None:
        assert connection_shares(10_000, 4096, 4096) == ConnectionShares(4096, 4096)

    def test_what_does_not_fit_is_shared_in_proportion_and_leaves_the_rest_its_descriptors(self) -> None:
        shares = connection_shares(1024, 3000, 1000)
        assert (shares.endpoint, shares.gateway) == (384, 128)
        assert shares.endpoint + shares.gateway + RESERVED <= 1024

    def test_a_hopeless_limit_leaves_each_port_a_few(self) -> None:
        assert connection_shares(256, 4096, 4096) == ConnectionShares(LEAST, LEAST)
