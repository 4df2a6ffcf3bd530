"""What one process tells all others by a ConfigMap: each word once, and none for longer than a moment."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from mcptasks.kube.api_client import KubeClient, ObjectList, WatchEvent
from mcptasks.kube.bulletin import KEPT_SECONDS, MAX_UNWRITTEN, Bulletin
from mcptasks.kube.errors import ForbiddenError, KubeError, NotFoundError
from mcptasks.model.base import JsonObject
from mcptasks.model.lifecycle import utc_now
from tests.support.clocks import SettableClock

pytestmark = pytest.mark.anyio

FORBIDDEN = ForbiddenError(403, "Forbidden", "configmaps is forbidden")


@dataclass
class BoardServer:
    """An API server with one ConfigMap, or none."""

    data: dict[str, str] | None = field(default_factory=dict)
    refusal: KubeError | None = None
    patches: list[JsonObject] = field(default_factory=list)
    events: list[asyncio.Queue[WatchEvent]] = field(default_factory=list)
    looked_at: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    """Counts the watches, and the lists that were refused."""

    def _item(self) -> JsonObject:
        return {"metadata": {"name": "board", "resourceVersion": "1"}, "data": dict(self.data or {})}

    def _refuse(self) -> None:
        if self.refusal is not None:
            raise self.refusal

    async def list(self, *_: Any, field_selector: str) -> ObjectList:
        if self.refusal is not None:
            self.looked_at.release()
            raise self.refusal
        assert field_selector == "metadata.name=board"
        return ObjectList([] if self.data is None else [self._item()], "1")

    async def watch(self, *_: Any, **__: Any) -> AsyncIterator[WatchEvent]:
        queue: asyncio.Queue[WatchEvent] = asyncio.Queue()
        self.events.append(queue)
        self.looked_at.release()
        while True:
            yield await queue.get()

    async def create(self, *_: Any) -> None:
        self._refuse()
        self.data = {}

    async def patch(self, _kind: Any, _name: str, body: JsonObject, _namespace: str) -> None:
        self._refuse()
        if self.data is None:
            raise NotFoundError(404, "NotFound", "no such ConfigMap")
        self.patches.append(body["data"])
        self.data = {key: value for key, value in (self.data | body["data"]).items() if value is not None}
        for queue in self.events:
            queue.put_nowait(WatchEvent("MODIFIED", self._item()))


@dataclass
class BoardReader:
    bulletin: Bulletin
    heard: asyncio.Queue[str] = field(default_factory=asyncio.Queue)

    async def hears(self, *words: str) -> None:
        async with asyncio.timeout(10):
            assert {await self.heard.get() for _ in words} == set(words)


@pytest.fixture
def api() -> BoardServer:
    return BoardServer()


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@asynccontextmanager
async def replica(api: BoardServer, clock: SettableClock) -> AsyncIterator[BoardReader]:
    made = BoardReader(Bulletin(cast(KubeClient, api), "ns", "board", utc_now, clock))
    made.bulletin.listen(made.heard.put_nowait)
    running = asyncio.create_task(made.bulletin.run())
    async with asyncio.timeout(10):
        await api.looked_at.acquire()
    try:
        yield made
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def test_all_hear_a_word_once(api: BoardServer, clock: SettableClock) -> None:
    async with replica(api, clock) as one, replica(api, clock) as two:
        one.bulletin.tell("a")
        for each in (one, two):
            await each.hears("a")
        two.bulletin.tell("b")
        for each in (one, two):
            await each.hears("b")


async def test_what_is_told_at_once_is_written_at_once(api: BoardServer, clock: SettableClock) -> None:
    async with replica(api, clock) as one:
        for word in "abc":
            one.bulletin.tell(word)
        await one.hears("a", "b", "c")
    assert len(api.patches) == 1


async def test_no_word_stays_longer_than_until_the_next_one_after_its_time(
    api: BoardServer, clock: SettableClock
) -> None:
    async with replica(api, clock) as one, replica(api, clock) as two:
        one.bulletin.tell("a")
        await two.hears("a")
        clock.now += KEPT_SECONDS + 1
        two.bulletin.tell("b")
        await two.hears("b")
    assert list(api.data or ()) == ["b"]


async def test_the_board_is_made_where_there_is_none(clock: SettableClock) -> None:
    api = BoardServer(data=None)
    async with replica(api, clock) as one:
        one.bulletin.tell("a")
        await one.hears("a")


async def test_a_flood_of_words_is_bounded(api: BoardServer, clock: SettableClock) -> None:
    async with replica(api, clock) as one:
        words = [f"word-{number}" for number in range(10 * MAX_UNWRITTEN)]
        for word in words:
            one.bulletin.tell(word)
        await one.hears(*words[:MAX_UNWRITTEN])
    assert len(api.data or ()) == MAX_UNWRITTEN


async def test_without_rights_it_complains_once_and_ends_nothing(
    clock: SettableClock, caplog: pytest.LogCaptureFixture
) -> None:
    api = BoardServer(refusal=FORBIDDEN)
    with caplog.at_level(logging.WARNING, "mcptasks.kube.bulletin"):
        async with replica(api, clock) as one:
            for word in "abc":
                one.bulletin.tell(word)
                await asyncio.sleep(0.15)
    assert len(caplog.records) == 1
    assert "forbidden" in caplog.text
