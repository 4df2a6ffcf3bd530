"""Reads of the API server that pages share."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from http import HTTPStatus

import pytest

from mcptasks.client import Tool
from mcptasks.dashboard.dashboard_app import dashboard_app
from mcptasks.dashboard.rights import Right
from mcptasks.dashboard.shared_reads import SharedReads
from mcptasks.dashboard.tool_pages import ToolSource
from mcptasks.dashboard.visits import PageError
from mcptasks.kube.errors import UnavailableError
from tests.unit.dashboard.open_page import opened
from tests.unit.dashboard.page_site import PageSite, task_item

pytestmark = pytest.mark.anyio


@dataclass
class CountedSource:
    """Says at each read how many there were; each takes until the loop has its next turn."""

    count: int = 0
    fails: bool = False
    time: float = 100.0
    may_end: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self) -> int:
        self.count += 1
        found = self.count
        await asyncio.sleep(0)
        if self.fails:
            raise UnavailableError(0, "Unavailable", "away")
        return found

    def clock(self) -> float:
        return self.time


async def test_whoever_asks_at_the_same_time_gets_the_same_read() -> None:
    source = CountedSource()
    reads = SharedReads[int](clock=source.clock)
    assert await asyncio.gather(*(reads.recent("k", source) for _ in range(300))) == [1] * 300
    assert await asyncio.gather(*(reads.recent("other", source) for _ in range(300))) == [2] * 300


async def test_what_was_read_is_good_for_the_interval() -> None:
    source = CountedSource()
    reads = SharedReads[int](interval_seconds=1, clock=source.clock)
    found = []
    for seconds in (0, 0.5, 0.4, 0.2, 5):
        source.time += seconds
        found.append(await reads.recent("k", source))
    assert found == [1, 1, 1, 2, 3]


async def test_who_has_heard_of_a_change_gets_a_read_that_begins_after_it() -> None:
    source = CountedSource()
    reads = SharedReads[int](interval_seconds=0.01, clock=asyncio.get_running_loop().time)
    assert await reads.recent("k", source) == 1
    assert await asyncio.gather(*(reads.fresh("k", source) for _ in range(300))) == [2] * 300
    assert await reads.fresh("k", source) == 3


async def test_a_read_that_fails_is_told_to_all_who_wait_and_is_not_repeated_at_once() -> None:
    source = CountedSource(fails=True)
    reads = SharedReads[int](interval_seconds=1, clock=source.clock)
    found = await asyncio.gather(*(reads.recent("k", source) for _ in range(3)), return_exceptions=True)
    assert [type(each) for each in found] == [UnavailableError] * 3
    assert source.count == 1
    source.time, source.fails = source.time + 1, False
    assert await reads.recent("k", source) == 2


async def test_what_nobody_may_get_any_more_is_not_kept() -> None:
    reads = SharedReads[int](interval_seconds=0.01)
    await reads.recent("k", CountedSource())
    assert len(reads) == 1
    async with asyncio.timeout(20):
        while len(reads):  # noqa: ASYNC110 (nothing tells)
            await asyncio.sleep(0.01)


async def test_who_goes_away_takes_the_read_from_nobody_else() -> None:
    source = CountedSource()
    reads = SharedReads[int](clock=source.clock)
    leaving = asyncio.create_task(reads.fresh("k", source))
    staying = asyncio.create_task(reads.fresh("k", source))
    await asyncio.sleep(0)
    leaving.cancel()
    assert await staying == 1


async def test_pages_of_tools_that_are_opened_together_ask_the_server_once() -> None:
    class CountedTools(ToolSource):
        count = 0

        async def listed(self) -> Sequence[Tool]:
            self.count += 1
            await asyncio.sleep(0)
            if self.count == 1:
                raise PageError(HTTPStatus.BAD_GATEWAY, "The MCP server has not done it", "away")
            return ()

    source = CountedTools(PageSite().services)
    failed = await asyncio.gather(*(source.tools() for _ in range(20)), return_exceptions=True)
    assert {type(each) for each in failed} == {PageError}
    assert await asyncio.gather(*(source.tools() for _ in range(20))) == [()] * 20
    assert source.count == 2


async def test_open_pages_of_workers_read_each_namespace_once_whoever_looks() -> None:
    site = PageSite.asking_for_tokens()
    viewers = [f"viewer-{number}" for number in range(5)]
    site.put(task_item("shared", "team", reason="Pending"))
    for viewer in viewers:
        site.put(task_item(f"of-{viewer}", viewer, reason="Pending"))
        for namespace in ("team", viewer):
            site.allow(viewer, namespace, Right.LIST_TASKS, Right.READ_PODS, Right.READ_TEMPLATES)
    app = dashboard_app(site.services)
    async with AsyncExitStack() as stack:
        pages = [await stack.enter_async_context(opened(app, "/workers/live", f"of-{viewer}")) for viewer in viewers]
        for page, viewer in zip(pages, viewers, strict=True):
            await page.shows(f"of-{viewer}")
            assert [other for other in viewers if other != viewer and f"of-{other}".encode() in page.body] == []
    assert sorted(site.cluster.listed) == sorted(
        (kind, namespace) for kind in ("mcptasktemplates", "pods") for namespace in ("team", *viewers)
    )
