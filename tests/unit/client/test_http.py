"""Server-sent events and headers, taken apart by pure functions."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.shared.inbound import decode_header_value

from mcptasks.client.protocol.dialect_2026_07_28 import header_value
from mcptasks.client.protocol.event_stream import event_data

pytestmark = pytest.mark.anyio


async def events(*chunks: bytes) -> list[str]:
    async def stream() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    return [data async for data in event_data(stream())]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
async def test_lines_may_end_in_three_ways(end: bytes) -> None:
    assert await events(b"data: one" + end + end + b"data: two" + end + end) == ["one", "two"]


async def test_an_event_may_come_byte_by_byte() -> None:
    whole = "event: message\r\ndata: grüße\r\n\r\n".encode()
    assert await events(*(whole[i : i + 1] for i in range(len(whole)))) == ["grüße"]


async def test_data_of_several_lines_is_joined() -> None:
    assert await events(b"data: a\ndata: b\n\n") == ["a\nb"]


async def test_comments_ids_and_events_without_data_are_passed_by() -> None:
    assert await events(b": ping\n\nid: 1\nretry: 5\n\ndata:x\n\n") == ["x"]


async def test_an_event_that_is_cut_off_is_none() -> None:
    assert await events(b"data: half") == []


@pytest.mark.parametrize("name", ["report", "a b", "x-1_2.3"])
async def test_a_plain_name_is_its_own_header(name: str) -> None:
    assert header_value(name) == name


@given(st.text(min_size=1))
def test_any_name_reaches_the_server_as_a_header(name: str) -> None:
    value = header_value(name)
    assert value.isascii()
    assert decode_header_value(value) == name
