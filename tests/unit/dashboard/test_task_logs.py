"""Logs that are followed: what is read of the cluster meanwhile, and how many there may be."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import pytest

from mcptasks.dashboard.rights import Viewer
from mcptasks.dashboard.task_logs import (
    MAX_CHARACTERS,
    FollowedLogs,
    LogFollower,
    LogPiece,
    TooManyLogsError,
    gathered,
)
from mcptasks.kube.reviews import KubeUser
from mcptasks.model.base import JsonObject
from tests.unit.dashboard.page_site import PageSite, task_item

pytestmark = pytest.mark.anyio

ANN, BOB = Viewer(KubeUser("ann")), Viewer(KubeUser("bob"))


def pod_item(name: str = "x-1", state: str = "running") -> JsonObject:
    return {
        "metadata": {"name": name, "namespace": "team"},
        "spec": {"containers": [{"name": "runner"}]},
        "status": {"containerStatuses": [{"name": "runner", "state": {state: {}}}]},
    }


def waiting_task(**status: Any) -> JsonObject:
    return task_item("x", reason="Pending", startedAt=None, **status)


def follower(site: PageSite, followed: FollowedLogs | None = None, viewer: Viewer = ANN) -> LogFollower:
    services = site.services
    return LogFollower(services.lookup, services.index, followed or FollowedLogs(), viewer, "team", "x")


async def pieces_of(following: LogFollower) -> list[LogPiece]:
    pieces = following.pieces()
    async with aclosing(pieces):
        return [piece async for piece in pieces]


async def test_the_page_of_a_waiting_task_asks_the_cluster_nothing() -> None:
    site = PageSite()
    site.put(waiting_task())
    viewers = [asyncio.create_task(pieces_of(follower(site))) for _ in range(20)]
    for number in range(5):
        await asyncio.sleep(0.01)
        site.put(waiting_task(message=f"{number} are ahead"))
    await asyncio.sleep(0.01)
    assert site.cluster.reads == []
    site.cluster.pods, site.cluster.logs = [pod_item()], {"x-1": ["hello"]}
    site.put(task_item("x", podName="x-1", attempts=1))
    await asyncio.sleep(0.3)
    site.put(task_item("x", podName="x-1", attempts=1, phase="completed", reason="Completed"))
    shown = await asyncio.gather(*viewers)
    assert shown == [[LogPiece(1, ("hello",), begins=True)]] * 20
    assert site.cluster.reads == [("pods", "x-1")] * 20


async def test_a_task_that_the_watch_has_not_told_of_yet_is_waited_for() -> None:
    site = PageSite()
    site.cluster.tasks["team", "x"] = waiting_task()
    following = asyncio.create_task(pieces_of(follower(site)))
    await asyncio.sleep(0.01)
    site.put(task_item("x", phase="failed", reason="ToolError", logTail="printed"))
    assert await following == [LogPiece(1, ("printed",), begins=True)]
    assert await pieces_of(follower(PageSite())) == []


async def test_a_pod_that_has_not_started_by_its_own_status_is_looked_at_again() -> None:
    site = PageSite()
    site.cluster.pods, site.cluster.logs = [pod_item(state="waiting")], {"x-1": ["hello"]}
    site.put(task_item("x", podName="x-1", attempts=1))
    pieces = follower(site).pieces()
    async with aclosing(pieces):
        first = asyncio.ensure_future(anext(pieces))
        await asyncio.sleep(0.01)
        assert site.cluster.reads == [("pods", "x-1")]
        site.cluster.pods = [pod_item()]
        assert (await first).lines == ("hello",)


async def test_a_task_that_ends_before_its_pod_has_a_log_is_not_waited_for() -> None:
    site = PageSite()
    site.put(task_item("x", podName="gone", attempts=1))
    following = asyncio.create_task(pieces_of(follower(site)))
    await asyncio.sleep(0.01)
    site.put(task_item("x", podName="gone", phase="failed", reason="PodLost", logTail="printed"))
    assert [piece.lines for piece in await following] == [("printed",)]


def test_one_viewer_leaves_logs_to_follow_for_others() -> None:
    followed = FollowedLogs(most=5, of_one=3)
    held = [followed.one_more(ANN) for _ in range(3)]
    for one in held:
        one.__enter__()
    with pytest.raises(TooManyLogsError), followed.one_more(ANN):
        pass
    with followed.one_more(BOB), followed.one_more(BOB), pytest.raises(TooManyLogsError), followed.one_more(BOB):
        pass
    held.pop().__exit__(None, None, None)
    with followed.one_more(ANN):
        pass


def test_whoever_has_this_machine_may_follow_as_many_as_there_may_be() -> None:
    followed = FollowedLogs(most=5, of_one=1)
    with followed.one_more(Viewer()), followed.one_more(Viewer()):
        pass


async def test_waiting_tasks_take_none_of_the_logs_that_may_be_followed() -> None:
    site, followed = PageSite(), FollowedLogs(most=1, of_one=1)
    site.put(waiting_task())
    following = asyncio.create_task(pieces_of(follower(site, followed)))
    await asyncio.sleep(0.01)
    with followed.one_more(ANN):
        pass
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


async def test_a_tool_that_prints_without_end_waits_for_its_reader() -> None:
    read = 0

    async def endless() -> AsyncGenerator[str]:
        nonlocal read
        while True:
            read += 1
            yield "x" * 1000

    pieces = gathered(endless())
    async with aclosing(pieces):
        first = await anext(pieces)
        await asyncio.sleep(0.01)
        assert sum(map(len, first)) <= MAX_CHARACTERS
        assert read * 1000 <= 2 * MAX_CHARACTERS + 2000


async def test_a_line_that_is_too_long_for_a_message_comes_in_pieces() -> None:
    async def lines() -> AsyncGenerator[str]:
        yield "x" * (MAX_CHARACTERS + 1)
        yield ""

    pieces = gathered(lines())
    assert [piece async for piece in pieces] == [("x" * MAX_CHARACTERS,), ("x", "")]


@dataclass
class EndlessLines:
    """Lines that come as long as somebody reads, and whether they were closed."""

    closed: bool = False

    async def lines(self) -> AsyncGenerator[str]:
        try:
            while True:
                yield "x" * MAX_CHARACTERS
        finally:
            self.closed = True


async def test_a_log_that_nobody_reads_any_more_is_closed_at_once() -> None:
    endless = EndlessLines()
    lines = endless.lines()
    async with aclosing(gathered(lines)) as pieces:
        await anext(pieces)
        await asyncio.sleep(0.01)
    assert endless.closed


async def test_an_error_of_any_kind_ends_a_log_and_is_told() -> None:
    async def lines() -> AsyncGenerator[str]:
        yield "hello"
        raise ValueError("of the log's own")

    pieces = gathered(lines())
    async with asyncio.timeout(5), aclosing(pieces):
        assert await anext(pieces) == ("hello",)
        with pytest.raises(ValueError, match="own"):
            await anext(pieces)


async def test_a_workers_log_that_is_one_too_many_leaves_nothing_begun() -> None:
    site, followed = PageSite(), FollowedLogs(most=0)
    site.cluster.pods = [pod_item()]
    site.put(task_item("x", podName="x-1", attempts=1, executor="Warm"))
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        with pytest.raises(TooManyLogsError):
            await pieces_of(follower(site, followed))
        gc.collect()
    assert not [str(warning.message) for warning in warned if "never awaited" in str(warning.message)]


async def test_a_page_that_is_left_gives_its_log_back_at_once() -> None:
    site, followed = PageSite(), FollowedLogs(most=1, of_one=1)
    site.cluster.pods, site.cluster.logs = [pod_item()], {"x-1": ["hello"]}
    site.put(task_item("x", podName="x-1", attempts=1))
    pieces = follower(site, followed).pieces()
    assert (await anext(pieces)).lines == ("hello",)
    await pieces.aclose()
    with followed.one_more(ANN):
        pass
