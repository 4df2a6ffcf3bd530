"""Streams of events: how many there may be, and what is given back when a browser goes away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, ExitStack, aclosing
from dataclasses import replace

import httpx2
import pytest

from mcptasks.dashboard.dashboard_app import dashboard_app
from mcptasks.dashboard.live_streams import MAX_WAITING, OpenStreams, TooManyStreamsError, merged
from mcptasks.dashboard.rights import Right, Viewer
from mcptasks.kube.errors import UnavailableError
from mcptasks.kube.reviews import KubeUser
from tests.unit.dashboard.open_page import opened
from tests.unit.dashboard.page_site import PageSite, task_item

pytestmark = pytest.mark.anyio


ANN, BOB = Viewer(KubeUser("ann")), Viewer(KubeUser("bob"))


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


async def test_a_stream_ends_without_a_fault_where_nobody_can_say_whether_its_viewer_still_may() -> None:
    async def unknown() -> bool:
        raise UnavailableError(0, "Unavailable", "the API server is away")

    async def events() -> AsyncGenerator[bytes]:
        yield b"event"

    seen = [event async for event in merged([events()], unknown, asyncio.Event())]
    assert b"event" not in seen


def test_one_viewer_has_so_many_streams_and_takes_none_of_anothers() -> None:
    streams = OpenStreams(most=5, of_one=2)
    with ExitStack() as stack:
        for viewer in (ANN, ANN, BOB):
            stack.enter_context(streams.one_more(viewer))
        with pytest.raises(TooManyStreamsError, match="You have 2 pages open"):
            stack.enter_context(streams.one_more(ANN))
        stack.enter_context(streams.one_more(BOB))
    assert streams.total == 0


def test_all_viewers_together_have_so_many_streams() -> None:
    streams = OpenStreams(most=2, of_one=2)
    with ExitStack() as stack:
        stack.enter_context(streams.one_more(ANN))
        stack.enter_context(streams.one_more(BOB))
        with pytest.raises(TooManyStreamsError, match="All viewers together have 2 pages open"):
            stack.enter_context(streams.one_more(BOB))


def test_who_is_alone_at_this_machine_has_all_streams() -> None:
    streams = OpenStreams(most=2, of_one=1)
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(streams.one_more(Viewer()))
        with pytest.raises(TooManyStreamsError):
            stack.enter_context(streams.one_more(Viewer()))


@pytest.mark.parametrize("path", ["/tasks/live", "/overview/live", "/workers/live", "/tasks/team/x/live"])
async def test_a_page_too_many_is_told_so_until_another_is_closed(path: str) -> None:
    site = PageSite.asking_for_tokens()
    site.put(task_item("x"))
    site.allow("ann", "team", *Right)
    streams = OpenStreams(most=3, of_one=2)
    site.services = replace(site.services, streams=streams)
    app = dashboard_app(site.services)
    async with AsyncExitStack() as stack:
        for _ in range(2):
            page = await stack.enter_async_context(opened(app, path, "of-ann"))
            await page.shows("event: ")
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8090") as program:
            refused = await program.get(path, headers={"authorization": "Bearer of-ann"})
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "5")
        assert "You have 2 pages open" in refused.text
    assert streams.total == 0
    async with opened(app, path, "of-ann") as page:
        await page.shows("event: ")
        assert page.status == 200
