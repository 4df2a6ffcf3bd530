"""Logs that are followed: what is read of the cluster meanwhile, and how many there may be."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
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
    in_pieces,
)
from mcptasks.dashboard.task_rows import row_of
from mcptasks.dashboard.unclaimed_pods import PodLooks, unclaimed_pod
from mcptasks.kube.api_client import ObjectList
from mcptasks.kube.errors import ForbiddenError
from mcptasks.kube.kinds import Resource
from mcptasks.kube.reviews import KubeUser
from mcptasks.kube.task_attempts import Attempt
from mcptasks.model.base import LABEL_WORKER, JsonObject
from tests.unit.dashboard.page_site import DictionaryCluster, PageSite, task_item

pytestmark = pytest.mark.anyio

ANN, BOB = Viewer(KubeUser("ann")), Viewer(KubeUser("bob"))


def pod_item(name: str = "x-1", state: str = "running") -> JsonObject:
    return {
        "metadata": {"name": name, "namespace": "team"},
        "spec": {"containers": [{"name": "runner"}]},
        "status": {"containerStatuses": [{"name": "runner", "state": {state: {}}}]},
    }


def with_label(item: JsonObject, label: str, value: str) -> JsonObject:
    item["metadata"]["labels"] = {label: value}
    return item


def waiting_task(**status: Any) -> JsonObject:
    return task_item("x", reason="Pending", startedAt=None, **status)


def follower(site: PageSite, followed: FollowedLogs | None = None, viewer: Viewer = ANN) -> LogFollower:
    services = site.services
    looks = PodLooks(services.lookup.kube)
    return LogFollower(services.lookup, services.index, followed or FollowedLogs(), looks, viewer, "team", "x")


def soon(site: PageSite) -> LogFollower:
    """One that looks soon for Pods that have not claimed their task."""
    return replace(follower(site), first_search_seconds=0.005)


async def pieces_of(following: LogFollower) -> list[LogPiece]:
    pieces = following.pieces()
    async with aclosing(pieces):
        return [piece async for piece in pieces]


async def test_the_page_of_a_task_that_waits_for_a_moment_asks_the_cluster_nothing() -> None:
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


async def test_what_a_pod_prints_before_it_claims_its_task_is_shown_once() -> None:
    site = PageSite()
    site.cluster.pods, site.cluster.logs = [pod_item()], {"x-1": ["loading a model"]}
    site.put(waiting_task())
    async with asyncio.timeout(10), aclosing(soon(site).pieces()) as pieces:
        assert await anext(pieces) == LogPiece(1, ("loading a model",), begins=True)
        site.put(task_item("x", podName="x-1", attempts=1))
        rest = asyncio.create_task(_all_of(pieces))
        await asyncio.sleep(0.05)
        site.put(task_item("x", podName="x-1", attempts=1, phase="completed", reason="Completed"))
        assert await rest == []


async def _all_of(pieces: AsyncGenerator[LogPiece]) -> list[LogPiece]:
    return [piece async for piece in pieces]


async def test_each_pod_that_ends_before_it_claims_its_task_is_shown() -> None:
    site = PageSite()
    site.cluster.pods = [pod_item("x-1", "terminated")]
    site.cluster.logs = {"x-1": ["no such module"], "x-2": ["still no such module"]}
    site.put(waiting_task())
    async with asyncio.timeout(10), aclosing(soon(site).pieces()) as pieces:
        assert (await anext(pieces)).lines == ("no such module",)
        site.cluster.pods = [pod_item("x-1", "terminated"), pod_item("x-2")]
        assert (await anext(pieces)).lines == ("still no such module",)


async def test_pages_of_one_waiting_task_look_for_its_pods_together() -> None:
    site, now = PageSite(), [0.0]
    looks = PodLooks(site.services.lookup.kube, lambda: now[0])
    await asyncio.gather(*(looks.pods("team", "x", 5) for _ in range(20)))
    now[0] = 4.9
    await looks.pods("team", "x", 5)
    assert site.cluster.reads == [("pods", "")]
    now[0] = 5
    await looks.pods("team", "x", 5)
    assert site.cluster.reads == [("pods", "")] * 2


async def test_pods_that_may_not_be_listed_are_none() -> None:
    class Refusing(DictionaryCluster):
        async def list(self, resource: Resource, namespace: str | None = None, **_selectors: str | None) -> ObjectList:
            raise ForbiddenError(403, "Forbidden", "no")

    site = PageSite(Refusing())
    assert await PodLooks(site.services.lookup.kube).pods("team", "x", 5) == ()


@pytest.mark.parametrize(
    ("pod", "attempts", "is_found"),
    [
        (pod_item(state="running"), 0, True),
        (pod_item(state="terminated"), 0, True),
        (pod_item(state="running"), 1, True),
        (pod_item(state="terminated"), 1, False),
        (pod_item(state="waiting"), 0, False),
        (with_label(pod_item(), LABEL_WORKER, "true"), 0, False),
    ],
)
def test_the_pod_of_a_waiting_task_is_its_next_attempts(pod: JsonObject, attempts: int, is_found: bool) -> None:
    row = row_of(waiting_task(attempts=attempts))
    assert (unclaimed_pod([Attempt(pod)], row, "") is not None) is is_found
    assert unclaimed_pod([Attempt(pod)], row, "x-1") is None


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


@pytest.mark.parametrize(
    ("lines", "pieces"),
    [
        ([], [()]),
        (["a", "b"], [("a", "b")]),
        (["a", "b", "c", "d"], [("a", "b", "c"), ("d",)]),
        (["12345678", "abc"], [("12345678",), ("abc",)]),
        (["123456789012", ""], [("1234567890",), ("12", "")]),
    ],
)
def test_a_log_comes_in_pieces_of_so_many_lines_and_characters(lines: list[str], pieces: list[tuple[str, ...]]) -> None:
    assert list(in_pieces(lines, most=3, characters=10)) == pieces


async def test_the_log_of_a_task_that_has_ended_comes_in_pieces_and_counts_as_one_that_is_followed() -> None:
    site, followed = PageSite(), FollowedLogs(most=2, of_one=1)
    site.cluster.pods, site.cluster.logs = [pod_item(state="terminated")], {"x-1": ["y" * 40_000] * 10}
    site.put(task_item("x", podName="x-1", attempts=1, phase="completed", reason="Completed"))
    async with aclosing(follower(site, followed).pieces()) as pieces:
        first = await anext(pieces)
        assert (first.begins, len(first.lines)) == (True, 1)
        with pytest.raises(TooManyLogsError):
            await pieces_of(follower(site, followed))
        rest = [piece async for piece in pieces]
    assert [(piece.begins, len(piece.lines)) for piece in rest] == [(False, 1)] * 9
    assert len(await pieces_of(follower(site, followed))) == 10
