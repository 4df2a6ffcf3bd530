"""What becomes of a log that cannot be read at once, or is not wanted any more when it has been."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import cast

import pytest

from mcptasks.kube.api_client import KubeClient, LogOptions
from mcptasks.kube.errors import NotFoundError, UnavailableError
from mcptasks.kube.task_objects import TaskClient, parse_task
from mcptasks.model.base import JsonObject
from mcptasks.model.lifecycle import Retention
from mcptasks.model.task import LogRecord
from mcptasks.stores.kept_logs import KeptLogs
from mcptasks.stores.result_stores import RedisStore
from mcptasks_operator.acting.log_keeper import LogKeeper
from mcptasks_operator.deciding.object_facts import ContainerFacts, PodFacts, TerminatedState
from tests.support.doubles import MemoryTasks
from tests.support.ports import free_port
from tests.unit.operator.builders import TASK, at, ended_status, task_item

pytestmark = pytest.mark.anyio

POD = PodFacts("pod-1", "uid-1", at(1), phase="Failed", runner=ContainerFacts("runner", TerminatedState(137)))


@dataclass
class GivenLogs:
    """Stands in for `KubeClient`: each read of a log gives the next text, or fails."""

    texts: list[bytes | Exception]
    reads: list[LogOptions] = field(default_factory=list)

    async def log_chunks(self, pod: str, namespace: str, options: LogOptions) -> AsyncIterator[bytes]:
        self.reads.append(options)
        text = self.texts.pop(0)
        if isinstance(text, Exception):
            raise text
        yield text


@dataclass
class KeepingOperator:
    """A keeper with one task that has ended."""

    kube: GivenLogs
    tasks: MemoryTasks
    keeper: LogKeeper

    def offer(self) -> None:
        item = self.tasks.items[TASK]
        self.keeper.offer(parse_task(item), item, [POD])

    async def read(self, times: int) -> None:
        """Wait until so many logs have been read, and what follows of the last."""
        async with asyncio.timeout(10):
            while len(self.kube.reads) < times:  # noqa: ASYNC110 (nothing tells)
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)

    @property
    def log(self) -> LogRecord | None:
        return parse_task(self.tasks.items[TASK]).status.log


@asynccontextmanager
async def keeping(*texts: bytes | Exception, **status: object) -> AsyncIterator[KeepingOperator]:
    known: JsonObject = {"attempts": 1, "podUid": "uid-1"} | status
    tasks = MemoryTasks({TASK: task_item(status=ended_status("failed", **known))})
    kube = GivenLogs(list(texts))
    redis = RedisStore.connect(f"redis://127.0.0.1:{free_port()}", "none")
    keeper = LogKeeper(cast(KubeClient, kube), cast(TaskClient, tasks), KeptLogs(redis, 1000), Retention(3_600_000, 30))
    running = asyncio.create_task(keeper.run())
    try:
        yield KeepingOperator(kube, tasks, keeper)
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await redis.aclose()


async def test_a_log_is_read_once_however_often_its_task_is_looked_at() -> None:
    async with keeping(b"last words\n") as operator:
        operator.offer()
        operator.offer()
        await operator.read(1)
        operator.offer()
        await asyncio.sleep(0.05)
        assert operator.log == LogRecord(text="last words\n", attempt=1)
        assert operator.kube.reads == [LogOptions(container="runner", follow=False)]


async def test_one_that_cannot_be_read_is_read_when_its_task_is_looked_at_again() -> None:
    async with keeping(UnavailableError(503, "Unavailable", "no kubelet"), b"last words\n") as operator:
        operator.offer()
        await operator.read(1)
        assert operator.log is None
        operator.offer()
        await operator.read(2)
        assert operator.log == LogRecord(text="last words\n", attempt=1)


@pytest.mark.parametrize("nothing", [b"", NotFoundError(404, "NotFound", "the Pod is gone")])
async def test_one_that_is_empty_or_gone_is_not_asked_for_again(nothing: bytes | Exception) -> None:
    async with keeping(nothing) as operator:
        operator.offer()
        await operator.read(1)
        operator.offer()
        await asyncio.sleep(0.05)
        assert operator.log is None
        assert len(operator.kube.reads) == 1


async def test_the_log_of_a_later_attempt_stays() -> None:
    async with keeping(b"first\n") as operator:
        item = operator.tasks.items[TASK]
        operator.offer()
        later = {"log": {"text": "second\n", "attempt": 2}, "attempts": 2}
        operator.tasks.items[TASK] = {**item, "status": {**item["status"], **later}}
        await operator.read(1)
        assert operator.log == LogRecord(text="second\n", attempt=2)


async def test_without_a_store_nothing_is_read() -> None:
    async with keeping() as operator:
        operator.keeper = LogKeeper(
            cast(KubeClient, operator.kube), cast(TaskClient, operator.tasks), KeptLogs(), Retention(3_600_000, 30)
        )
        operator.offer()
        await asyncio.sleep(0.05)
        assert operator.kube.reads == []
