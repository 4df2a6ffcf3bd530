"""Files to save: how many of them are in memory at the same time, and what happens to the others."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Hashable
from dataclasses import dataclass, field, replace

import pytest
from starlette.responses import HTMLResponse, Response
from starlette.types import Message

from mcptasks.dashboard.file_answers import FileAnswer, FileRoom, PageInTurn, SentFile, line_pieces, pieces_of
from mcptasks.dashboard.last_lines import LastLines
from mcptasks.dashboard.visits import PageError
from mcptasks.kube.task_objects import parse_task
from mcptasks.settings import KIB, MIB
from mcptasks.tasks.byte_budget import ByteBudget
from tests.unit.dashboard.page_site import PageSite, task_item, with_result
from tests.unit.dashboard.test_pages import get
from tests.unit.dashboard.test_task_logs import pod_item

pytestmark = pytest.mark.anyio

SCOPE = {"type": "http", "asgi": {"spec_version": "2.4"}, "method": "GET", "headers": []}


@dataclass
class SlowReader:
    """Somebody who downloads a file and reads when told to."""

    reads: asyncio.Event = field(default_factory=asyncio.Event)
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    received: int = 0

    async def send(self, message: Message) -> None:
        self.begun.set()
        await self.reads.wait()
        self.received += len(message.get("body", b""))

    async def receive(self) -> Message:
        await asyncio.Event().wait()
        raise AssertionError


@dataclass
class LargeFiles:
    """Files of 64 MiB by what they say, and how many were read."""

    room: FileRoom
    read: int = 0

    async def _read(self) -> SentFile:
        self.read += 1
        return SentFile(pieces_of(b"x" * MIB), "application/json", "result.json")

    async def download(self, reader: SlowReader, viewer: str = "ann") -> None:
        answer = FileAnswer(self.room, viewer, 64 * MIB, self._read)
        await answer(SCOPE, reader.receive, reader.send)


@pytest.fixture
def files() -> LargeFiles:
    return LargeFiles(FileRoom(ByteBudget(64 * MIB), seconds=0.05))


@pytest.mark.parametrize("other", ["ann", "bob"])
async def test_a_second_large_file_is_refused_unread_while_the_first_is_sent(files: LargeFiles, other: str) -> None:
    first, second = SlowReader(), SlowReader()
    downloading = asyncio.create_task(files.download(first))
    await first.begun.wait()
    with pytest.raises(PageError) as refused:
        await files.download(second, other)
    assert (refused.value.status, refused.value.headers) == (503, {"retry-after": "5"})
    assert files.read == 1
    first.reads.set()
    await downloading
    second.reads.set()
    await files.download(second, other)
    assert (first.received, second.received, files.room.budget.taken) == (MIB, MIB, 0)


async def test_who_goes_away_leaves_their_room_to_others(files: LargeFiles) -> None:
    reader = SlowReader()
    downloading = asyncio.create_task(files.download(reader))
    await reader.begun.wait()
    downloading.cancel()
    await asyncio.gather(downloading, return_exceptions=True)
    assert files.room.budget.taken == 0


def site_with_files(size: int) -> PageSite:
    """One with a task whose files have about so many bytes."""
    site = PageSite()
    block = {"type": "image", "mimeType": "image/png", "data": "aGkh" * (size // 4)}
    item = with_result(task_item("x", logTail="printed"), {"content": [block]})
    item["spec"]["arguments"] = {"text": "y" * size}
    site.put(item)
    return site


@pytest.mark.parametrize("part", ["result.json", "arguments.json", "content/0"])
async def test_small_files_are_sent_while_a_large_one_takes_all_room(part: str) -> None:
    site = site_with_files(200 * KIB)
    await site.services.file_bytes.take("others", site.services.file_bytes.total, 1)
    async with site.browser() as browser:
        assert (await browser.get(f"/tasks/team/x/{part}")).status_code == 200


async def test_a_log_takes_as_much_room_as_it_has_once_it_is_read(files: LargeFiles) -> None:
    async def read() -> SentFile:
        return SentFile(pieces_of(b"x" * MIB), "text/plain", "x.log", MIB)

    reader = SlowReader()
    answer = FileAnswer(files.room, "ann", 16 * MIB, read)
    sending = asyncio.create_task(answer(SCOPE, reader.receive, reader.send))
    await asyncio.wait_for(reader.begun.wait(), 10)
    assert files.room.budget.taken == MIB
    reader.reads.set()
    await sending
    assert files.room.budget.taken == 0


async def test_the_size_of_a_log_is_told_once_it_is_read() -> None:
    site, lines = PageSite(), ["ä" * 99, "b"]
    site.cluster.pods = [pod_item()]
    site.cluster.logs = {"x-1": lines}
    site.put(task_item("x"))
    shrunk: list[int] = []

    class Budget(ByteBudget):
        def give_back(self, key: Hashable, amount: int) -> None:
            shrunk.append(amount)
            super().give_back(key, amount)

    site.services = replace(site.services, file_bytes=Budget(64 * MIB))
    async with site.browser() as browser:
        assert (await browser.get("/tasks/team/x/log.txt")).text.splitlines() == lines
    assert shrunk == [16 * MIB - 201, 201]


@pytest.mark.parametrize("part", ["result.json", "log.txt", "arguments.json", "content/0"])
async def test_every_large_file_of_a_task_waits_for_room_and_is_then_refused(part: str) -> None:
    site = site_with_files(400 * KIB)
    taken = site.services.file_bytes.total
    assert await site.services.file_bytes.take("others", taken, 1)
    async with site.browser() as browser:
        refused = await browser.get(f"/tasks/team/x/{part}")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        site.services.file_bytes.give_back("others", taken)
        assert (await browser.get(f"/tasks/team/x/{part}")).status_code == 200
    assert site.services.file_bytes.taken == 0


def test_a_file_within_a_result_that_is_too_large_to_show_is_not_looked_for() -> None:
    site = PageSite()
    site.put(with_result(task_item("x"), {"content": [{"type": "text", "text": "y" * MIB}]}))
    assert get(site, "/tasks/team/x/content/0").status_code == 404
    whole = get(site, "/tasks/team/x/result.json")
    assert len(json.loads(whole.text)["content"][0]["text"]) == MIB


def test_of_a_long_log_the_last_lines_are_kept() -> None:
    lines = LastLines(most=3, most_bytes=10)
    for line in ("one", "two", "three", "four"):
        lines.add(line)
    assert lines.all() == ["three", "four"]
    lines.add("a line that is longer than all may be")
    assert lines.all() == ["all may be"]


def test_the_bytes_of_a_long_log_are_counted_and_not_its_characters() -> None:
    lines = LastLines(most=3, most_bytes=10)
    for line in ("😀", "ää", "öö"):
        lines.add(line)
    assert lines.all() == ["ää", "öö"]
    lines.add("😀" * 3)
    assert lines.all() == ["😀" * 2]


@pytest.mark.parametrize("cut", [False, True])
def test_a_log_that_the_task_keeps_has_no_more_bytes_than_asked_for(cut: bool) -> None:
    site = PageSite()
    log = {"text": "\n".join(["é" * 10] * 5), "attempt": 1, "cut": cut}
    task = parse_task(task_item("x", attempts=1, phase="completed", reason="Completed", log=log))
    assert asyncio.run(site.services.lookup.log(task, 9, 45)) == ["é" * 10] * 2


async def test_pages_of_one_viewer_take_half_of_the_room_for_as_long_as_they_are_not_read() -> None:
    budget, made = ByteBudget(8 * MIB), 0

    async def make() -> Response:
        nonlocal made
        made += 1
        return HTMLResponse("x" * MIB)

    def page(viewer: str) -> PageInTurn:
        return PageInTurn(budget, viewer, 2 * MIB, make, seconds=0.05)

    readers = [SlowReader(), SlowReader()]
    loading = [asyncio.create_task(page("ann")(SCOPE, reader.receive, reader.send)) for reader in readers]
    for reader in readers:
        await asyncio.wait_for(reader.begun.wait(), 10)
    other = SlowReader()
    with pytest.raises(PageError) as refused:
        await page("ann")(SCOPE, other.receive, other.send)
    assert (refused.value.status, refused.value.headers) == (503, {"retry-after": "5"})
    assert made == 2
    other.reads.set()
    await page("bob")(SCOPE, other.receive, other.send)
    assert other.received == MIB
    for reader in readers:
        reader.reads.set()
    await asyncio.gather(*loading)
    assert budget.taken == 0


async def test_the_page_of_a_task_counts_until_it_has_been_sent() -> None:
    taken: list[int] = []

    class Pages(ByteBudget):
        async def take(self, key: Hashable, amount: int, seconds: float) -> bool:
            taken.append(amount)
            return await super().take(key, amount, seconds)

    site = PageSite()
    site.put(task_item("x"))
    site.services = replace(site.services, page_bytes=Pages(64 * MIB))
    async with site.browser() as browser:
        assert (await browser.get("/tasks/team/x")).status_code == 200
        assert (await browser.get("/tasks/team/gone")).status_code == 404
    assert taken == [4 * MIB, 4 * MIB]
    assert site.services.page_bytes.taken == 0


def test_lines_are_sent_in_pieces() -> None:
    pieces = list(line_pieces(["x" * 50 * KIB] * 5))
    assert len(pieces) == 2
    assert b"".join(pieces) == (b"x" * 50 * KIB + b"\n") * 5
