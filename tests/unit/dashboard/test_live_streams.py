"""Streams of events: what is given back when a browser goes away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from mcptasks.dashboard.live_streams import MAX_WAITING, merged

pytestmark = pytest.mark.anyio


async def yes() -> bool:
    return True


async def test_a_source_whose_events_nobody_reads_any_more_is_closed_at_once() -> None:
    closed: list[bool] = []

    async def events() -> AsyncGenerator[bytes]:
        try:
            while True:
                yield b"event"
        finally:
            closed.append(True)

    source = events()
    async with aclosing(merged([source], yes, asyncio.Event())) as stream:
        for _ in range(MAX_WAITING):
            await anext(stream)
        await asyncio.sleep(0)
    assert closed


async def test_a_browser_that_goes_away_before_the_first_event_leaves_nothing_running() -> None:
    before = asyncio.all_tasks()
    async with aclosing(merged([], yes, asyncio.Event())) as stream:
        await anext(stream)
    assert asyncio.all_tasks() == before
