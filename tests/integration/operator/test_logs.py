"""What is kept of the log of a task's own Pod, which goes with the Pod."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from mcptasks.model.log_records import log_text
from mcptasks.model.task import McpTask
from mcptasks.settings import KIB, Settings
from mcptasks.stores.results import Results
from tests.integration.operator.ended_tasks import start
from tests.integration.operator.harness import OperatorWorld, python
from tests.support.redis import RedisServer, running_redis

pytestmark = pytest.mark.anyio

TALKATIVE = """
import random
for n in range(3000):
    print(f"{n:05} {random.Random(n).getrandbits(800):x}")
"""
LAST_WORDS = """
import os, signal, time
def leave(*_):
    # print() may be at work where the signal comes.
    os.write(1, b"cleaned up\\n")
    os._exit(0)
signal.signal(signal.SIGTERM, leave)
print("ready", flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


async def kept(world: OperatorWorld, name: str) -> McpTask:
    return await world.until(name, lambda task: task.status.log is not None)


async def test_the_log_of_a_process_that_was_killed_outlives_its_pod(world: OperatorWorld, redis: RedisServer) -> None:
    program = "import os; print('at work', flush=True); os.kill(os.getpid(), 9)"
    async with world.operator(redis_url=SecretStr(redis.url)):
        await world.template(python(program))
        name = await world.submit()
        task = await kept(world, name)
        assert task.status.log is not None
        assert log_text(task.status.log) == "at work\n"


async def test_what_a_cancelled_task_says_while_it_ends_is_kept(world: OperatorWorld, redis: RedisServer) -> None:
    async with world.operator(redis_url=SecretStr(redis.url)):
        name, _ = await start(world, LAST_WORDS)
        await world.says(name, "ready")
        await world.cancel(name)
        await world.terminated(name)
        task = await kept(world, name)
        assert await world.pods(name) == []
        assert task.status.log is not None
        assert log_text(task.status.log) == "ready\ncleaned up\n"


async def test_a_long_log_is_in_the_store_without_its_middle(world: OperatorWorld, redis: RedisServer) -> None:
    async with world.operator(redis_url=SecretStr(redis.url), max_log_bytes=100 * KIB):
        await world.template(python(TALKATIVE))
        name = await world.submit()
        task = await kept(world, name)
    record = task.status.log
    assert record is not None
    assert record.stored is not None
    assert record.stored.ref == f"mcptasks:log:{world.namespace}:{task.uid}:1"
    async with Results.from_settings(Settings(redis_url=redis.url)) as results:
        lines = (await results.logs.read(record, world.namespace, task.uid)).text.splitlines()
    assert (lines[0][:6], lines[-1][:6]) == ("00000 ", "02999 ")
    (mark,) = [line for line in lines if line.endswith("lines left out …")]
    assert len(lines) - 1 + int(mark.split()[1].replace(",", "")) == 3000


async def test_an_operator_that_was_away_at_the_end_keeps_the_log_when_it_is_back(
    world: OperatorWorld, redis: RedisServer
) -> None:
    async with world.operator():
        name, _ = await start(world, "print('at work', flush=True); import time; time.sleep(0.5)")
        await world.terminated(name)
        assert (await world.task(name)).status.log is None
    async with world.operator(redis_url=SecretStr(redis.url)):
        task = await kept(world, name)
    assert task.status.log is not None
    assert log_text(task.status.log) == "at work\n"
