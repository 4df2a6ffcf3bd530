"""Tasks are found by the calls that wait for them."""

from __future__ import annotations

import asyncio
import time
from typing import cast

import pytest

from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.kinds import MCP_TASKS
from mcptasks.kube.watch_cache import WatchCache
from mcptasks.model.base import LABEL_CALL, JsonObject
from mcptasks.tasks.waiting_calls import LOOKS, MAX_SEARCHES, PAUSE_SECONDS, WaitingCalls

pytestmark = pytest.mark.anyio


def task(name: str, call: str) -> JsonObject:
    metadata = {"name": name, "namespace": "ns", "resourceVersion": "1", "labels": {LABEL_CALL: call}}
    return {"metadata": metadata, "spec": {"server": "s"}}


@pytest.fixture
def calls() -> WaitingCalls:
    return WaitingCalls("s", WatchCache(cast(KubeClient, None), MCP_TASKS, "ns"))


async def test_a_task_that_comes_a_moment_later_is_found(calls: WaitingCalls) -> None:
    search = asyncio.create_task(calls.task_of("call"))
    await asyncio.sleep(PAUSE_SECONDS / 2)
    calls.cache.add(task("a", "call"))
    assert await search == "a"


async def test_of_two_none_is_meant(calls: WaitingCalls) -> None:
    for name in ("a", "b"):
        calls.cache.add(task(name, "call"))
    assert await calls.task_of("call") is None


async def test_many_unknown_calls_are_not_all_searched_for(calls: WaitingCalls) -> None:
    searches = [asyncio.create_task(calls.task_of(f"unknown {n}")) for n in range(MAX_SEARCHES)]
    await asyncio.sleep(0)
    began = time.monotonic()
    calls.cache.add(task("a", "call"))
    assert await asyncio.gather(*(calls.task_of(f"more {n}") for n in range(100))) == [None] * 100
    assert await calls.task_of("call") == "a"
    assert time.monotonic() - began < PAUSE_SECONDS * (LOOKS - 1)
    assert await asyncio.gather(*searches) == [None] * MAX_SEARCHES
