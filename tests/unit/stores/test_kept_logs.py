"""The logs of tasks that have ended: what is kept of them where, and what comes of it again."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from mcptasks.model.task import LogRecord, ResultRecord
from mcptasks.settings import KIB, Settings
from mcptasks.stores.kept_logs import EARLIER_LINES, KeptLogs
from mcptasks.stores.result_stores import EXPIRY_SLACK
from mcptasks.stores.results import Results
from tests.support.ports import free_port
from tests.support.redis import RedisServer

pytestmark = pytest.mark.anyio

HOUR = timedelta(hours=1)
NOISE = random.Random(7)
LONG = "".join(f"{number:05} {NOISE.getrandbits(800):x}\n" for number in range(3000))
"""Six times as long as what a status takes, and hardly to be compressed."""

KEY = "mcptasks:log:ns:u:2"


@pytest.fixture
async def logs(redis_process: RedisServer, redis: Redis) -> AsyncIterator[KeptLogs]:
    async with Results.from_settings(Settings(redis_url=redis_process.url)) as results:
        yield results.logs


async def record_of(logs: KeptLogs, text: str) -> LogRecord:
    record = await logs.keep("ns", "u", 2, text, HOUR)
    assert record is not None
    return record


async def test_a_log_that_fits_into_the_status_is_there_and_nowhere_else(logs: KeptLogs, redis: Redis) -> None:
    record = await record_of(logs, "one\ntwo\n")
    assert record == LogRecord(text="one\ntwo\n", attempt=2)
    assert await redis.keys() == []
    assert (await logs.read(record, "ns", "u")).text == "one\ntwo\n"


async def test_of_a_silent_attempt_nothing_is_kept(logs: KeptLogs) -> None:
    assert await logs.keep("ns", "u", 2, "\n", HOUR) is None


async def test_a_longer_one_is_read_whole_and_expires_a_little_after_its_task(logs: KeptLogs, redis: Redis) -> None:
    record = await record_of(logs, LONG)
    assert record.stored is not None
    assert (record.stored.ref, record.stored.size_bytes) == (KEY, len(LONG))
    found = await logs.read(record, "ns", "u")
    assert (found.text == LONG, found.note) == (True, None)
    left = timedelta(milliseconds=await redis.pttl(KEY))
    assert HOUR < left <= HOUR + EXPIRY_SLACK


async def test_of_one_beyond_the_limit_the_middle_is_left_out(redis_process: RedisServer, redis: Redis) -> None:
    settings = Settings(redis_url=redis_process.url, max_log_bytes=100 * KIB)
    async with Results.from_settings(settings) as results:
        text = (await results.logs.read(await record_of(results.logs, LONG), "ns", "u")).text
    assert len(text.encode()) <= 100 * KIB
    assert text.startswith("00000 ")
    assert text.splitlines()[-1].startswith("02999 ")
    assert text.count(" lines left out …\n") == 1


async def test_what_is_removed_is_gone_from_the_store(logs: KeptLogs, redis: Redis) -> None:
    await logs.delete(await record_of(logs, LONG), "ns", "u")
    assert await redis.keys() == []


async def test_the_log_of_another_task_is_neither_read_nor_removed(logs: KeptLogs, redis: Redis) -> None:
    record = await record_of(logs, LONG)
    await logs.delete(record, "ns", "other")
    assert await redis.exists(KEY)
    found = await logs.read(record, "ns", "other")
    assert LONG.endswith(found.text)
    assert found.note is not None
    assert "not its own" in found.note


@pytest.mark.parametrize("ref", ["mcptasks:result:ns:u:2", "any", "mcptasks:log:ns2:u:2", None])
async def test_what_is_no_log_of_the_task_is_not_read(logs: KeptLogs, redis: Redis, ref: str | None) -> None:
    await redis.set(ref or "none", "secret")
    record = LogRecord(text="end\n", attempt=2, cut=True, stored=ResultRecord(ref=ref, size_bytes=6))
    assert (await logs.read(record, "ns", "u")).text == "end\n"


@pytest.mark.parametrize(("there", "why"), [(None, "has lost them"), (b"forged", "another text in their place")])
async def test_where_the_store_has_it_no_more_the_end_is_left_and_says_so(
    logs: KeptLogs, redis: Redis, there: bytes | None, why: str
) -> None:
    record = await record_of(logs, LONG)
    await redis.delete(KEY)
    if there is not None:
        await redis.set(KEY, there)
    found = await logs.read(record, "ns", "u")
    assert found.text
    assert LONG.endswith(found.text)
    assert found.note is not None
    assert why in found.note


async def test_a_store_that_is_away_costs_no_more_than_the_earlier_lines(logs: KeptLogs) -> None:
    record = await record_of(logs, LONG)
    away = Settings(redis_url=f"redis://127.0.0.1:{free_port()}")
    async with Results.from_settings(away) as results:
        kept = await record_of(results.logs, LONG)
        assert (kept.cut, kept.stored) == (True, None)
        found = await results.logs.read(record, "ns", "u")
        await results.logs.delete(record, "ns", "u")
    assert found.note is not None
    assert found.note.startswith(EARLIER_LINES)
    assert LONG.endswith(found.text)


async def test_without_a_store_the_end_is_kept_and_where_the_rest_is_can_be_read() -> None:
    logs = KeptLogs()
    assert logs.max_bytes == 0
    kept = await record_of(logs, LONG)
    assert (await logs.read(kept, "ns", "u")).note == EARLIER_LINES
    stored = kept.model_copy(update={"stored": ResultRecord(ref=KEY, size_bytes=600_000)})
    note = (await logs.read(stored, "ns", "u")).note
    assert note is not None
    assert "600,000 bytes" in note
    assert "MCPTASKS_REDIS_URL" in note


async def test_a_record_that_nobody_of_ours_has_written_has_a_reason_and_no_text() -> None:
    found = await KeptLogs().read(LogRecord(gzip="QUJD", attempt=1), "ns", "u")
    assert found.text == ""
    assert found.note
