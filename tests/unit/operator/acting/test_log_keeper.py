"""What becomes of a log that cannot be read at once, or is not wanted any more when it has been."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import cast

import pytest

from mcptasks.kube.api_client import KubeClient, LogOptions
from mcptasks.kube.errors import NotFoundError, UnavailableError
from mcptasks.kube.task_objects import TaskClient, parse_task
from mcptasks.model.base import JsonObject
from mcptasks.model.lifecycle import Retention
from mcptasks.model.task import LogRecord, ResultRecord
from mcptasks.stores.kept_logs import KeptLogs
from mcptasks.stores.result_stores import Payload, RedisStore, ResultKey, is_recorded
from mcptasks_operator.acting.log_keeper import LogKeeper
from mcptasks_operator.deciding.object_facts import ContainerFacts, PodFacts, RunningState, TerminatedState
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

    def keeper_with(self, kube: GivenLogs, logs: KeptLogs) -> LogKeeper:
        return LogKeeper(cast(KubeClient, kube), cast(TaskClient, self.tasks), logs, self.keeper.retention)

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


@dataclass
class MemoryStore:
    """Stands in for `RedisStore`."""

    texts: dict[str, str] = field(default_factory=dict)

    async def put(self, key: ResultKey, payload: Payload, expires_in: timedelta) -> ResultRecord:
        ref = f"none:{key.kind}:{key.namespace}:{key.uid}:{key.attempt}"
        self.texts[ref] = payload.text
        return ResultRecord(ref=ref, size_bytes=payload.size, sha256=payload.sha256)

    async def delete(self, record: ResultRecord) -> None:
        del self.texts[str(record.ref)]


async def test_a_log_that_is_kept_twice_because_an_answer_was_lost_stays_in_the_store() -> None:
    noise = random.Random(7)
    text = "".join(f"{noise.getrandbits(800):x}\n" for _ in range(900))
    async with keeping() as operator:
        store = MemoryStore()
        for read in (text, text + "and more\n"):
            keeper = operator.keeper_with(GivenLogs([read.encode()]), KeptLogs(cast(RedisStore, store), 10**6))
            running = asyncio.create_task(keeper.run())
            item = operator.tasks.items[TASK]
            before = {**item, "status": {key: value for key, value in item["status"].items() if key != "log"}}
            keeper.offer(parse_task(before), before, [POD])
            await asyncio.sleep(0.3)
            running.cancel()
        log = operator.log
        assert log is not None
        assert log.stored is not None
        assert list(store.texts) == [log.stored.ref]
        assert await is_recorded(store.texts[str(log.stored.ref)].encode(), log.stored)


@dataclass
class EndlessLogs(GivenLogs):
    """One that is followed does not end."""

    most: int = 0
    now: int = 0

    async def log_chunks(self, pod: str, namespace: str, options: LogOptions) -> AsyncIterator[bytes]:
        self.reads.append(options)
        self.now += 1
        self.most = max(self.most, self.now)
        yield b"last words\n"
        if options.follow:
            await asyncio.sleep(3600)
        self.now -= 1


def ending_pods(count: int) -> list[PodFacts]:
    """Pods that are being deleted and have not ended."""
    return [
        replace(POD, name=f"pod-{n}", uid=f"uid-{n}", phase="Running", deletion_due=at(60), runner=RUNS)
        for n in range(count)
    ]


RUNS = ContainerFacts("runner", RunningState(at(1)))


async def test_pods_that_take_long_to_end_leave_room_for_the_logs_of_others() -> None:
    async with keeping() as operator:
        kube = EndlessLogs([])
        keeper = operator.keeper_with(kube, KeptLogs(operator.keeper.logs.redis, 1000))
        running = asyncio.create_task(keeper.run())
        item = operator.tasks.items[TASK]
        for pod in ending_pods(40):
            own = {**item, "status": {**item["status"], "podUid": pod.uid}}
            keeper.offer(parse_task(own), own, [pod])
        async with asyncio.timeout(10):
            while len(kube.reads) < 40:  # noqa: ASYNC110 (nothing tells)
                await asyncio.sleep(0.01)
        running.cancel()


async def test_few_logs_are_read_at_a_time_where_each_may_be_large() -> None:
    async with keeping() as operator:
        kube = EndlessLogs([])
        keeper = operator.keeper_with(kube, KeptLogs(operator.keeper.logs.redis, 16 * 2**20))
        running = asyncio.create_task(keeper.run())
        item = operator.tasks.items[TASK]
        for pod in ending_pods(10):
            own = {**item, "status": {**item["status"], "podUid": pod.uid}}
            keeper.offer(parse_task(own), own, [pod])
        await asyncio.sleep(0.2)
        running.cancel()
        assert kube.most <= 2


@dataclass
class BrokenLogs(GivenLogs):
    async def log_chunks(self, pod: str, namespace: str, options: LogOptions) -> AsyncIterator[bytes]:
        self.reads.append(options)
        yield b"first\n"
        raise UnavailableError(503, "Unavailable", "the API server is being rolled")


async def test_a_log_that_breaks_off_says_so() -> None:
    async with keeping() as operator:
        keeper = operator.keeper_with(BrokenLogs([]), operator.keeper.logs)
        running = asyncio.create_task(keeper.run())
        item = operator.tasks.items[TASK]
        keeper.offer(parse_task(item), item, [POD])
        await asyncio.sleep(0.2)
        running.cancel()
        assert operator.log is not None
        assert operator.log.text == "first\n… the log was not read any further …\n"


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
