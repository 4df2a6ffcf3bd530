"""Files to save: how many of them are in memory at the same time, and what happens to the others."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field

import pytest
from starlette.types import Message

from mcptasks.dashboard.file_answers import FileAnswer, FileRoom, SentFile, line_pieces, pieces_of
from mcptasks.dashboard.last_lines import LastLines
from mcptasks.dashboard.visits import PageError
from mcptasks.settings import KIB, MIB
from mcptasks.tasks.byte_budget import ByteBudget
from tests.unit.dashboard.page_site import PageSite, task_item, with_result
from tests.unit.dashboard.test_pages import get

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


@pytest.mark.parametrize("part", ["result.json", "log.txt", "arguments.json", "content/0"])
async def test_every_file_of_a_task_waits_for_room_and_is_then_refused(part: str) -> None:
    site = PageSite()
    block = {"type": "image", "mimeType": "image/png", "data": "aGk="}
    site.put(with_result(task_item("x", logTail="printed"), {"content": [block]}))
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
    lines = LastLines(most=3, characters=10)
    for line in ("one", "two", "three", "four"):
        lines.add(line)
    assert lines.all() == ["three", "four"]
    lines.add("a line that is longer than all may be")
    assert lines.all() == ["all may be"]


def test_lines_are_sent_in_pieces() -> None:
    pieces = list(line_pieces(["x" * 50 * KIB] * 5))
    assert len(pieces) == 2
    assert b"".join(pieces) == (b"x" * 50 * KIB + b"\n") * 5
